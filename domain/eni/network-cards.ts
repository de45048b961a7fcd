/** Which physical network card of a machine carries an interface of its own. */

/** The cards of a machine that has several. */
export interface NetworkCards {
  /** Their indexes are 0 to `count` − 1. At least 2. */
  readonly count: number;
  /** Card of each interface that the machine has or is about to get; one entry an interface. */
  readonly taken: readonly number[];
  /** NUMA node of the pod's processors; cards of even index are near node 0, of odd index near node 1. */
  readonly numaNode?: number;
}

/** The primary interface is on the first card. Source: ECS, network card index. */
export const primaryCard = 0;

/** The card that carries the fewest, the first of equals, among those near the pod's processors if there are any. */
export function chooseNetworkCard({ count, taken, numaNode }: NetworkCards): number {
  const all = Array.from({ length: count }, (_, index) => index);
  const near = all.filter((index) => numaNode === undefined || index % 2 === numaNode);
  const load = (index: number): number => taken.filter((card) => card === index).length;
  return (near.length > 0 ? near : all).reduce((best, index) => (load(index) < load(best) ? index : best));
}

/**
 * The one NUMA node in the text of pod annotation `cpuSet`: `{"container":{"0":{…}}}`, the inner keys are nodes.
 * Undefined when there are several, one is negative, or the text is something else.
 */
export function numaNodeOf(annotation: string | undefined): number | undefined {
  const nodes = new Set(membersOf(parse(annotation)).flatMap((container) => Object.keys(toObject(container))));
  const [only] = nodes;
  return nodes.size === 1 && only !== undefined && /^\d{1,4}$/.test(only) ? Number(only) : undefined;
}

function parse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}

function membersOf(value: unknown): readonly unknown[] {
  return Object.values(toObject(value));
}

function toObject(value: unknown): object {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}
