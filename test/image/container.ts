/** A container that runc runs from a bundle's configuration. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export class RunningContainer {
  readonly #runc: readonly string[];
  readonly #name: string;
  readonly #child: ChildProcess;
  #output = "";
  /** Of the process; undefined when a signal ended runc itself. */
  readonly ended: Promise<number | undefined>;

  /** @param directory for the bundle and runc's state; its last part names the container */
  constructor(directory: string, name: string, config: object) {
    const bundle = join(directory, "bundle");
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    this.#name = name;
    this.#runc = ["--root", join(directory, "runc")];
    this.#child = spawn("runc", [...this.#runc, "run", "--bundle", bundle, name], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const collect = (chunk: Buffer): void => void (this.#output += chunk.toString());
    this.#child.stdout?.on("data", collect);
    this.#child.stderr?.on("data", collect);
    // Its process is no child of this one, so it would outlive it.
    process.once("exit", this.remove);
    this.ended = new Promise((resolve) => {
      this.#child.once("error", () => resolve(undefined));
      this.#child.once("close", (code) => resolve(code ?? undefined));
    });
  }

  /** Everything that it wrote so far. */
  get output(): string {
    return this.#output;
  }

  /** A file of /proc about its first process. */
  processFile(name: "status" | "mountinfo"): string {
    const state = execFileSync("runc", [...this.#runc, "state", this.#name], { encoding: "utf8" });
    const { pid } = JSON.parse(state) as { readonly pid: number };
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  }

  signal(name: "TERM"): void {
    execFileSync("runc", [...this.#runc, "kill", this.#name, name]);
  }

  /** Ends it, if it still runs, with all that is left of it. */
  readonly remove = (): void => {
    process.removeListener("exit", this.remove);
    spawnSync("runc", [...this.#runc, "delete", "--force", this.#name]);
  };
}
