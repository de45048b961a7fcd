/** The live view of `npm start`, as text: pure, so that a terminal and a log file can both show it. */

/** What one picture shows. */
export interface Picture {
  readonly elapsedSeconds: number;
  readonly nodes: { readonly trunk: number; readonly exclusive: number };
  /** Living pods by what was last seen of them. */
  readonly pods: { readonly pending: number; readonly bound: number; readonly running: number };
  readonly places: { readonly inUse: number; readonly waiting: number; readonly limit: number };
  /** Calls in the current wall-clock minute, and the quota, per API that was called. */
  readonly quotas: readonly { readonly api: string; readonly used: number; readonly limit: number }[];
  /** Newest last. */
  readonly events: readonly string[];
}

const barWidth = 30;

/** Several lines for a terminal. */
export function renderPicture(picture: Picture): string {
  const { nodes, pods, places, quotas, events, elapsedSeconds } = picture;
  const total = pods.pending + pods.bound + pods.running;
  return [
    "",
    `  terway-controlplane sandbox   ${elapsedSeconds.toFixed(0)} s`,
    "",
    `  nodes    ${nodes.trunk} with a trunk, ${nodes.exclusive} exclusive`,
    `  pods     ${bar(pods.running, total)} ${pods.running} Running, ${pods.bound} Bind, ${pods.pending} Pending`,
    `  places   ${bar(places.inUse, places.limit)} ${places.inUse} of ${places.limit} in use, ${places.waiting} waiting`,
    "",
    "  cloud calls this minute",
    ...quotas.map(({ api, used, limit }) => `  ${bar(used, limit)} ${String(used).padStart(4)} of ${limit}  ${api}`),
    "",
    "  last events",
    ...events.map((event) => `  ${event}`),
    "",
  ].join("\n");
}

/** One line for a log. */
export function renderLine({ pods, places, quotas, elapsedSeconds }: Picture): string {
  const calls = quotas.map(({ api, used, limit }) => `${api} ${used}/${limit}`).join(", ");
  return (
    `${elapsedSeconds.toFixed(0).padStart(4)} s  pods: ${pods.pending} Pending, ${pods.bound} Bind, ${pods.running} Running` +
    `  places: ${places.inUse}/${places.limit}  calls this minute: ${calls === "" ? "none" : calls}`
  );
}

function bar(value: number, of: number): string {
  const filled = of === 0 ? 0 : Math.min(barWidth, Math.ceil((value / of) * barWidth));
  return "█".repeat(filled) + "░".repeat(barWidth - filled);
}
