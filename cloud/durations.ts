/** Learns how long the cloud takes from an accepted call to its visible effect, so that the first look comes neither early nor late. */

/** What an interface is waited for. `look`: its state now, whatever it is. */
export type WatchOperation = "attach" | "detach" | "delete" | "look";

/** Milliseconds that the quick ones take, before anything was learned. */
const firstGuessMs: Readonly<Record<WatchOperation, number>> = { attach: 1_400, detach: 900, delete: 400, look: 0 };
const samplesKept = 100;
/** Fewer samples say nothing about a tenth. */
const samplesNeeded = 20;
/**
 * A duration is only seen at a look, so it is never shorter than the first look. Looking a little earlier than the
 * quantile lets the estimate come down again until hardly anything is found finished.
 */
const earlier = 0.9;
const leastMs = 100;

export class Durations {
  readonly #samples: Record<Exclude<WatchOperation, "look">, number[]> = { attach: [], detach: [], delete: [] };

  /** `durationMs` from the call to the look that found it finished. */
  add(operation: WatchOperation, durationMs: number): void {
    if (operation === "look") return;
    const samples = this.#samples[operation];
    samples.push(durationMs);
    if (samples.length > samplesKept) samples.shift();
  }

  /** Milliseconds from the call to the first look, at that quantile (0 to 1) of recent durations. */
  firstLookMs(operation: WatchOperation, quantile: number): number {
    if (operation === "look") return 0;
    const samples = this.#samples[operation];
    // The slow ones are guessed to take twice as long as the quick ones.
    if (samples.length < samplesNeeded) return firstGuessMs[operation] * (quantile > 0.5 ? 2 : 1);
    const sorted = samples.toSorted((a, b) => a - b);
    const index = Math.min(sorted.length - 1, Math.floor(quantile * sorted.length));
    return Math.max(leastMs, (sorted[index] ?? firstGuessMs[operation]) * earlier);
  }
}
