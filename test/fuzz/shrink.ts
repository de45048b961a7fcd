/** Makes an input that breaks a promise smaller, as long as it still breaks one. */
import { put } from "./draw.ts";
import type { Json } from "./target.ts";

/** More takes longer than a person would wait. */
const triesAtMost = 3_000;
const msAtMost = 15_000;

/** The smallest input that was found; `breaks` tells whether one still fails in the same way. */
export async function shrink(input: Json, breaks: (input: Json) => Promise<boolean>): Promise<Json> {
  let smallest = input;
  const endAt = performance.now() + msAtMost;
  let tries = 0;
  for (let isSmaller = true; isSmaller && tries < triesAtMost;) {
    isSmaller = false;
    for (const candidate of smallerOnes(smallest)) {
      if ((tries += 1) > triesAtMost || performance.now() > endAt) break;
      if (!(await breaks(candidate))) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

/** Every input that is one step smaller, the boldest steps first. */
function* smallerOnes(input: Json): Generator<Json> {
  if (typeof input === "string") yield* smallerTexts(input);
  else if (typeof input === "number") {
    if (input !== 0) yield 0;
  } else if (Array.isArray(input)) yield* smallerLists(input as readonly Json[]);
  else if (typeof input === "object" && input !== null) yield* smallerObjects(input as Readonly<Record<string, Json>>);
}

function* smallerTexts(text: string): Generator<string> {
  for (let size = text.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < text.length; from += size) yield text.slice(0, from) + text.slice(from + size);
  }
}

function* smallerLists(list: readonly Json[]): Generator<Json> {
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < list.length; from += size) yield [...list.slice(0, from), ...list.slice(from + size)];
  }
  for (const [index, element] of list.entries()) {
    for (const smaller of smallerOnes(element)) yield list.with(index, smaller);
  }
}

function* smallerObjects(object: Readonly<Record<string, Json>>): Generator<Json> {
  const entries = Object.entries(object);
  if (entries.length > 0) yield {};
  for (const [name] of entries) yield without(object, name);
  for (const [name, value] of entries) {
    for (const smaller of smallerOnes(value)) {
      const copy = { ...object };
      put(copy, name, smaller);
      yield copy;
    }
  }
}

function without(object: Readonly<Record<string, Json>>, left: string): Json {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== left));
}
