/** @param pick 0 to below 1 @throws RangeError when there is nothing */
export function chosen<T>(choices: readonly T[], pick: number): T {
  const choice = choices[Math.floor(pick * choices.length)];
  if (choice === undefined) throw new RangeError("nothing to choose from");
  return choice;
}
