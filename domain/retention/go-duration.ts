/** Milliseconds of each unit. Source: Go `time.ParseDuration`; both micro signs are accepted. */
const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** The published program holds durations as signed 64-bit nanoseconds, so about 292 years is the largest it accepts. */
const largestMs = 9_223_372_036_854.775;

/**
 * Milliseconds of a Go duration such as `10m`, `1h30m`, `1.5s` or `-5s`; undefined when the text is none.
 *
 * The grammar is Go's: an optional sign, then one or more decimal numbers each with a unit, or a bare `0`. A plain number
 * (`30`) is refused, as there. The result may be negative and may be a fraction of a millisecond.
 */
export function parseGoDuration(text: string): number | undefined {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  // No two parts can take the same digit, or a long number of a user would be tried in each of its halves.
  if (!/^(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  const ms = [...body.matchAll(/([\d.]+)([a-zµμ]+)/g)].reduce((sum, part) => sum + toMs(part), 0);
  return ms > largestMs ? undefined : sign * ms;
}

function toMs([, number, unit]: RegExpExecArray): number {
  return Number(number) * (unitMs[unit ?? ""] ?? 0);
}
