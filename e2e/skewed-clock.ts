/** Environment of a Node process whose wall clock is `ms` milliseconds ahead, and whose monotonic one is as it is. */
export function withClockAhead(ms: number): Record<string, string> {
  const source = `const Real = Date;
globalThis.Date = class extends Real {
  constructor(...given) { if (given.length > 0) super(...given); else super(Real.now() + ${ms}); }
  static now() { return Real.now() + ${ms}; }
};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(source)}` };
}
