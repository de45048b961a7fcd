/** Controllers that configuration `controllers` may name, and whether each runs when it says nothing. Source: the published registry. */
const runsByDefault: Readonly<Record<string, boolean>> = {
  pod: true,
  "pod-eni": true,
  eni: true,
  "pod-networking": true,
  node: false,
  "multi-ip-node": false,
  "multi-ip-pod": false,
};

/** Known by name so that the published file is understood, but this program does not have them. */
const notThereYet = ["multi-ip-node", "multi-ip-pod"];

/** Every entry that configuration `controllers` may have. */
export const controllerEntries: readonly string[] = [
  "*",
  ...Object.keys(runsByDefault).flatMap((name) => [name, `-${name}`]),
];

/**
 * True when the controller is to run. The first entry of `controllers` that is its name, `-name` or `*` decides, else the
 * default; so `["*", "-pod"]` runs `pod`.
 */
export function isControllerEnabled(name: string, controllers: readonly string[]): boolean {
  const entry = controllers.find((candidate) => [name, `-${name}`, "*"].includes(candidate));
  return entry === undefined ? (runsByDefault[name] ?? false) : entry !== `-${name}`;
}

/** What the list says and nothing comes of, one sentence each. */
export function idleEntries(controllers: readonly string[]): readonly string[] {
  const unknown = controllers.filter((entry) => !controllerEntries.includes(entry));
  const missing = notThereYet.filter((name) => isControllerEnabled(name, controllers));
  return [
    ...unknown.map((entry) => `controllers names ${entry}, which is no controller`),
    ...missing.map((name) => `controllers enables ${name}, which this program does not have yet`),
  ];
}
