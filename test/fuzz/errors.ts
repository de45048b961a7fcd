/** Which errors a part may end with. */
import { OperatorError } from "../../runtime/errors.ts";
import { BrokenPromise } from "./target.ts";

/** What JavaScript throws when a program makes a mistake. Of `JSON.parse` a SyntaxError is an answer. */
const mistakes = [TypeError, RangeError, ReferenceError, EvalError, URIError];

/** @throws the error when it is no such one: `words`, any error made for people; `category`, one that retries follow */
export function checkError(error: unknown, kind: "words" | "category"): void {
  if (error instanceof BrokenPromise) throw error;
  if (kind === "category" ? error instanceof OperatorError : isInWords(error)) return;
  throw error instanceof Error ? error : new Error(`not an error: ${String(error)}`);
}

function isInWords(error: unknown): boolean {
  return error instanceof Error && error.message !== "" && !mistakes.some((mistake) => error instanceof mistake);
}
