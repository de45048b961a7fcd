/** Kubernetes quantities (`100m`, `1.5Gi`) as numbers. */

const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * In thousandths of the unit (cores, bytes, pieces), rounded up: sums of them are exact. @throws RangeError for text that
 * is no quantity
 */
export function parseMilli(quantity: string | number): number {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([a-zA-Z]*))$/.exec(String(quantity));
  const factor = suffixes[match?.[3] ?? ""];
  if (match === null || factor === undefined) throw new RangeError(`${quantity} is no quantity`);
  const value = Number(match[1]) * 10 ** Number(match[2] ?? 0) * factor * 1000;
  // Products like 0.1 * 1000 carry a binary remainder that must not round up.
  return Math.ceil(Number(value.toPrecision(15)));
}
