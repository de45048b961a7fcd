/** One fact about an object, for people and tools. Source: metav1.Condition; path `.status.conditions[]` of every kind. */
export interface Condition {
  /** Unique within the list, for instance `Ready`. */
  readonly type: string;
  readonly status: ConditionStatus;
  /** CamelCase, from the closed list of the kind. */
  readonly reason: string;
  /** For people; names the thing to look at. At most 32 768 characters. */
  readonly message: string;
  /** `metadata.generation` that the condition was computed from. */
  readonly observedGeneration?: number;
  /** RFC 3339, UTC, whole seconds. Moves only when `status` changes. */
  readonly lastTransitionTime: string;
}

export type ConditionStatus = "True" | "False" | "Unknown";
