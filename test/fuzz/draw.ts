/** Draws values, valid and odd, and changes valid ones into odd ones. */
import { seededRandom } from "../../runtime/random.ts";
import type { Json } from "./target.ts";

/** What programs forget: empty, names of JavaScript's own, other scripts, halves of a character, what ends a line. */
const oddTexts = [
  "",
  " ",
  "constructor",
  "__proto__",
  "toString",
  "hasOwnProperty",
  "null",
  "undefined",
  "NaN",
  "0",
  "-1",
  "1e999",
  "true",
  "{}",
  "[]",
  "{",
  "[[",
  '"',
  "\\",
  "/",
  "~1~0",
  "a/b~c",
  "\n",
  "\u0000",
  "\u2028<&>",
  "é",
  "网络",
  "👩‍🚀",
  "\ud800",
  "İ",
  "$&$1",
  "..",
  "x".repeat(300),
];
const oddNumbers = [
  0,
  -0,
  1,
  -1,
  2,
  10,
  0.5,
  1e-9,
  65_535,
  2 ** 31,
  -(2 ** 31),
  2 ** 53,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  1e21,
  1e308,
];
export const durations = [
  "5m",
  "10m",
  "1h30m",
  "1.5s",
  "0",
  "0s",
  "-5m",
  "300",
  "1d",
  "5µs",
  "2562047h47m16.854s",
  "99999999999999999999h",
  "1h1h1h1h1h1h1h1h",
  "..5m",
];
const times = [
  "2026-01-01T00:00:00Z",
  "2026-01-01T00:05:00Z",
  "2026-11-22T00:00:00.123456Z",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "2026-02-30T00:00:00Z",
];

/** A reproducible source of values; one seed is one input. */
export class Draw {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  /** A whole number from 0 to `below` − 1. */
  below(below: number): number {
    return Math.floor(this.random() * below);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(values: readonly [T, ...T[]] | readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** Up to `atMost` values, often few. */
  list<T>(atMost: number, one: () => T): T[] {
    return Array.from({ length: Math.floor(this.random() ** 2 * (atMost + 1)) }, one);
  }

  /** Each member with that probability; undefined ones are left out. */
  some(members: Readonly<Record<string, () => Json | undefined>>, probability = 0.6): Record<string, Json> {
    const object: Record<string, Json> = {};
    for (const [name, value] of Object.entries(members)) {
      const drawn = this.chance(probability) ? value() : undefined;
      if (drawn !== undefined) put(object, name, drawn);
    }
    return object;
  }

  oddText(): string {
    return this.pick(oddTexts);
  }

  /** One of the words, and now and then an odd text. */
  word(words: readonly string[], oddity = 0.08): string {
    return this.chance(oddity) ? this.oddText() : this.pick(words);
  }

  /** Now and then long: what tries every way to read it, never ends. */
  duration(): string {
    if (this.chance(0.002)) return this.pick(["1", "1.", "1s", "µ"]).repeat(20_000) + this.pick(["", "x", "s"]);
    return this.word(durations);
  }

  /** A valid RFC 3339 time. */
  time(): string {
    return this.pick(times);
  }

  number(): number {
    return this.pick(oddNumbers);
  }

  /** A number that a Go integer can hold. */
  integer(): number {
    return this.pick(oddNumbers.filter((each) => Number.isSafeInteger(each)));
  }

  /** Anything at all. */
  anything(depth = 2): Json {
    switch (this.below(depth > 0 ? 7 : 4)) {
      case 0:
        return null;
      case 1:
        return this.chance(0.5);
      case 2:
        return this.number();
      case 3:
        return this.oddText();
      case 4:
        return this.list(3, () => this.anything(depth - 1));
      default: {
        const object: Record<string, Json> = {};
        for (const name of this.list(3, () => this.oddText())) put(object, name, this.anything(depth - 1));
        return object;
      }
    }
  }

  /** The value with up to `changes` parts replaced, left out, doubled or added. */
  mutate(value: Json, changes = 3): Json {
    let changed = value;
    for (let count = this.below(changes + 1); count > 0; count -= 1) changed = this.#mutateOnce(changed);
    return changed;
  }

  #mutateOnce(value: Json): Json {
    if (Array.isArray(value) && value.length > 0 && this.chance(0.85)) return this.#mutateList(value as Json[]);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      if (Object.keys(value).length > 0 && this.chance(0.9)) {
        return this.#mutateObject(value as Readonly<Record<string, Json>>);
      }
    }
    if (typeof value === "string" && this.chance(0.4)) return this.mutateText(value, 2);
    return this.anything();
  }

  #mutateList(list: readonly Json[]): Json {
    const at = this.below(list.length);
    const copy = [...list];
    switch (this.below(5)) {
      case 0:
        copy.splice(at, 1);
        return copy;
      case 1:
        copy.splice(at, 0, copy[at]!);
        return copy;
      default:
        copy[at] = this.#mutateOnce(copy[at]!);
        return copy;
    }
  }

  #mutateObject(object: Readonly<Record<string, Json>>): Json {
    const names = Object.keys(object);
    const name = this.pick(names);
    const copy = { ...object };
    switch (this.below(8)) {
      case 0: {
        const { [name]: _, ...rest } = object;
        return rest;
      }
      case 1:
        put(copy, this.oddText(), this.anything());
        return copy;
      case 2:
        put(copy, this.chance(0.5) ? name.toUpperCase() : name.toLowerCase(), this.anything());
        return copy;
      default:
        put(copy, name, this.#mutateOnce(object[name]!));
        return copy;
    }
  }

  /** The text with up to `changes` pieces cut, doubled, replaced or put in. Characters stay below U+0100 when all were. */
  mutateText(text: string, changes = 3): string {
    let changed = text;
    for (let count = this.below(changes + 1); count > 0; count -= 1) {
      const from = this.below(changed.length + 1);
      const to =
        from + this.below(this.chance(0.1) ? changed.length - from + 1 : Math.min(9, changed.length - from + 1));
      const middle = changed.slice(from, to);
      const inserted = this.pick([
        "",
        "",
        middle + middle,
        String.fromCharCode(this.below(256)),
        this.pick(["{", "}", "[", "]", '"', ",", ":", "\\", "0"]),
        "\n",
      ]);
      changed = changed.slice(0, from) + inserted + changed.slice(to);
    }
    return changed;
  }
}

/** Sets a member of any name: an assignment to `__proto__` would set none. */
export function put(object: Record<string, Json>, name: string, value: Json): void {
  if (name !== "__proto__") object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
