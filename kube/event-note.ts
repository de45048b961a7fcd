/** Longest note in bytes of UTF-8. Source: NoteLengthLimit of the API server's event validation. */
export const maxNoteBytes = 1024;

/** `note`, cut between two characters and ended with `…` when it is longer than the API server takes. Pure. */
export function cutNote(note: string, maxBytes: number = maxNoteBytes): string {
  if (Buffer.byteLength(note) <= maxBytes) return note;
  const ellipsis = "…";
  let room = maxBytes - Buffer.byteLength(ellipsis);
  let cut = "";
  // Iteration by code point: half of a surrogate pair would be sent as a replacement character.
  for (const character of note) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    cut += character;
  }
  return `${cut}${ellipsis}`;
}
