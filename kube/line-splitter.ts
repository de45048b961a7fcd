import { StringDecoder } from "node:string_decoder";

/**
 * Cuts a stream of UTF-8 chunks into lines. A line may be of any length: its pieces are joined once, when it ends, so that
 * an object of 1.5 MB costs no more than its length.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  #pieces: string[] = [];

  /** The lines that `chunk` completes, without their line feed; empty lines are left out. */
  push(chunk: Uint8Array): readonly string[] {
    const parts = this.#decoder.write(chunk).split("\n");
    const rest = parts.pop() ?? "";
    const lines: string[] = [];
    for (const part of parts) {
      this.#pieces.push(part);
      lines.push(this.#take());
    }
    if (rest !== "") this.#pieces.push(rest);
    return lines.filter((line) => line !== "");
  }

  /** What follows the last line feed; empty after a stream that ended well. */
  end(): string {
    this.#pieces.push(this.#decoder.end());
    return this.#take();
  }

  #take(): string {
    const line = this.#pieces.length === 1 ? (this.#pieces[0] ?? "") : this.#pieces.join("");
    this.#pieces = [];
    return line;
  }
}
