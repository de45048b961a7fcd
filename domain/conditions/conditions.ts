/** Kubernetes conditions: set one without disturbing the rest, and without a write when nothing changed. */

/** One observation about an object. Source: `metav1.Condition`; CR path `.status.conditions[]` of every kind. */
export interface Condition {
  /** CamelCase, unique within the object, for instance `Ready`. */
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** CamelCase, from the closed list of the kind's `conditions.ts`. */
  readonly reason: string;
  /** For people. Stable: no timestamps, lists sorted. */
  readonly message: string;
  /** `metadata.generation` that the observation was made at. */
  readonly observedGeneration?: number;
  /** RFC 3339, UTC, whole seconds. When `status` last changed. */
  readonly lastTransitionTime: string;
}

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
