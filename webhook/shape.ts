/** Checks that JSON has the types that the code behind it rests on. */
import { isJsonObject } from "./admission.ts";

export type Check = (value: unknown) => boolean;

export const isText: Check = (value) => typeof value === "string";
export const isFlag: Check = (value) => typeof value === "boolean";

/** Also true for a member that is not there. */
export function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** Also true for null, as Go programs write a list that was never made. */
export function nullable(check: Check): Check {
  return (value) => value === undefined || value === null || check(value);
}

export function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

export function mapOf(check: Check): Check {
  return (value) => isJsonObject(value) && Object.values(value).every(check);
}

/** Members that are not named may be anything. */
export function shape(members: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(members);
  return (value) => isJsonObject(value) && checks.every(([name, check]) => check(value[name]));
}
