/** Options that several command lines share. */
import { InvalidArgumentError } from "commander";

/** A whole number from 1. @throws InvalidArgumentError (commander), which prints the option and ends the program */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError("must be a whole number from 1.");
  return count;
}
