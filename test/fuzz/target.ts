/** What a fuzz target is: inputs that it draws, and a promise that it checks of each. */
import type { Draw } from "./draw.ts";

/** An input. It is JSON, so that it can be printed, replayed and made smaller; bytes are texts of U+0000 to U+00FF. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface Target {
  readonly name: string;
  /** Its part of all inputs, relative to the weights of the others. */
  readonly weight: number;
  draw(draw: Draw): Json;
  /** Whether it can come to the code under test; shrinking makes no other. @default every input can */
  isValid?(input: Json): boolean;
  /** @throws BrokenPromise, or whatever the code under test throws; either is a finding. Total over valid inputs. */
  check(input: Json): void | Promise<void>;
}

/** The code did not crash, but it did what it must not do. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** @throws BrokenPromise */
export function promise(isKept: boolean, what: string | (() => string)): asserts isKept {
  if (!isKept) throw new BrokenPromise(typeof what === "string" ? what : what());
}

type JsonObject = Readonly<Record<string, Json>>;

/** The members of an input or of a part of one; none when it is something else, which shrinking may have made of it. */
export function membersOf(input: Json | undefined): JsonObject {
  return typeof input === "object" && input !== null && !Array.isArray(input) ? (input as JsonObject) : {};
}

export function listOf(input: Json | undefined): readonly Json[] {
  return Array.isArray(input) ? (input as readonly Json[]) : [];
}

export function textOf(input: Json | undefined): string {
  return typeof input === "string" ? input : "";
}

export function numberOf(input: Json | undefined): number {
  return typeof input === "number" ? input : 0;
}

/** Bytes of a text of U+0000 to U+00FF. */
export function toBytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** The text that stands for the UTF-8 of `text`. */
export function ofUtf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
