/** What a replica's memory and handles say over time. */

/** One reading of a replica's `/metrics`. */
export interface Sample {
  /** Milliseconds since the start of the soak. */
  readonly atMs: number;
  readonly rssMiB: number;
  readonly heapMiB: number;
  /** Open file descriptors. */
  readonly fds: number;
  /** Open handles of libuv: sockets, timers of the platform, pipes. */
  readonly handles: number;
}

export type Figure = Exclude<keyof Sample, "atMs">;

/** Source: prom-client's default metrics. */
const metricNames: Readonly<Record<Figure, string>> = {
  rssMiB: "process_resident_memory_bytes",
  heapMiB: "nodejs_heap_size_used_bytes",
  fds: "process_open_fds",
  handles: "nodejs_active_handles_total",
};

/** Takes the text of `/metrics` apart; undefined when a figure is missing. */
export function toSample(text: string, atMs: number): Sample | undefined {
  const read = (figure: Figure): number => {
    const [, value = ""] = new RegExp(`^${metricNames[figure]}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text) ?? [];
    return value === "" ? Number.NaN : Number(value);
  };
  const mebi = 1_024 * 1_024;
  const sample = {
    atMs,
    rssMiB: read("rssMiB") / mebi,
    heapMiB: read("heapMiB") / mebi,
    fds: read("fds"),
    handles: read("handles"),
  };
  return Object.values(sample).some(Number.isNaN) ? undefined : sample;
}

/** One figure in the middle and in the last third of a soak. */
export interface Trend {
  readonly figure: Figure;
  readonly middle: number;
  readonly last: number;
  readonly isFlat: boolean;
}

/** Growth that is none: 5 % of memory, and two handles, for connections come and go. */
const tolerance: Readonly<Record<Figure, (middle: number) => number>> = {
  rssMiB: (middle) => middle * 0.05,
  heapMiB: (middle) => middle * 0.05,
  fds: () => 2,
  handles: () => 2,
};
const figures: readonly Figure[] = ["rssMiB", "heapMiB", "fds", "handles"];

/** Compares the last third with the middle one; a figure that shrinks is flat. NaN, and not flat, without samples. */
export function toTrends(samples: readonly Sample[], totalMs: number): readonly Trend[] {
  const third = totalMs / 3;
  const part = (from: number): readonly Sample[] => samples.filter(({ atMs }) => atMs >= from && atMs < from + third);
  return figures.map((figure) => {
    const middle = settled(part(third), figure);
    const last = settled(part(2 * third), figure);
    return { figure, middle, last, isFlat: last <= middle + tolerance[figure](middle) };
  });
}

const windows = 10;

/**
 * The median over ten windows of each one's lowest value: between two collections of garbage memory only grows, so that the
 * lowest is what a collection left.
 */
function settled(samples: readonly Sample[], figure: Figure): number {
  const size = Math.max(1, Math.ceil(samples.length / windows));
  const lows: number[] = [];
  for (let from = 0; from < samples.length; from += size) {
    lows.push(Math.min(...samples.slice(from, from + size).map((sample) => sample[figure])));
  }
  lows.sort((one, other) => one - other);
  return lows[Math.floor(lows.length / 2)] ?? Number.NaN;
}
