/** Kubernetes conditions: set one without disturbing the rest, and without a write when nothing changed. */

import type { Condition } from "../../crds/v1beta1/condition.ts";

export type { Condition } from "../../crds/v1beta1/condition.ts";

/** What a controller says; {@link setCondition} adds the time. */
export type NextCondition = Omit<Condition, "lastTransitionTime">;

/** The condition of that type, if there is one. */
export function findCondition<C extends { readonly type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/**
 * The conditions with `next` in the place of the one of its type, or at the end.
 *
 * Returns the same array when nothing would change, so that `===` decides whether to write. `lastTransitionTime` moves to
 * `nowIso` only when the status changes; a new reason or message alone keeps it.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  next: NextCondition,
  nowIso: string,
): readonly Condition[] {
  const current = findCondition(conditions, next.type);
  if (conditions === undefined || current === undefined) {
    return [...(conditions ?? []), { ...next, lastTransitionTime: nowIso }];
  }
  if (isSame(current, next)) return conditions;
  const lastTransitionTime = current.status === next.status ? current.lastTransitionTime : nowIso;
  return conditions.map((condition) => (condition === current ? { ...next, lastTransitionTime } : condition));
}

function isSame(current: Condition, next: NextCondition): boolean {
  return (
    current.status === next.status &&
    current.reason === next.reason &&
    current.message === next.message &&
    current.observedGeneration === next.observedGeneration
  );
}
