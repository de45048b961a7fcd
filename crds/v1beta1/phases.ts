/**
 * Where the interfaces of a PodENI, or one NetworkInterface, are. The schema has no enum, so what is read may be another word.
 *
 * - `""`: recorded, not yet worked on
 * - `Binding`: being attached (again)
 * - `Bind`: attached; the node daemon may use it
 * - `Detaching`: being taken off, to be kept
 * - `Unbind`: off and kept, for a fixed address
 * - `Deleting`: being taken off and deleted
 */
export type Phase = "" | "Bind" | "Binding" | "Unbind" | "Detaching" | "Deleting";

const phases: ReadonlySet<string> = new Set<Phase>(["", "Bind", "Binding", "Unbind", "Detaching", "Deleting"]);

/** Whether `word` is a published phase. An absent `.status.phase` is to be passed as `""`. */
export function isPhase(word: string): word is Phase {
  return phases.has(word);
}
