/** `epochMs` as Kubernetes writes times in metadata and conditions: RFC 3339, UTC, whole seconds (rounded down). */
export function toWireTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}
