import type { WireParameters } from "./api.ts";
import { invalidParameter, missingParameter, Refusal } from "./refusal.ts";

/** Typed reading of the flat wire parameters (`Tag.1.Key=…`). Every method refuses as ECS does. Source: cloud-api §B2. */
export class Parameters {
  readonly wire: WireParameters;

  constructor(wire: WireParameters) {
    this.wire = wire;
  }

  /** Absent and empty are the same on the wire. */
  text(name: string): string | undefined {
    const value = this.wire[name];
    return value === undefined || value === "" ? undefined : value;
  }

  /** @throws Refusal MissingParameter */
  need(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw missingParameter(name);
    return value;
  }

  /** @throws Refusal InvalidParameter when it is not a decimal or outside the range */
  count(name: string, range: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (!(number >= range.min && number <= range.max)) {
      throw invalidParameter(name, `expected ${range.min} to ${range.max}`);
    }
    return number;
  }

  /** @throws Refusal InvalidParameter when it is neither `true` nor `false` */
  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (value !== "true" && value !== "false") throw invalidParameter(name, "expected true or false");
    return value === "true";
  }

  /** `Name.1`, `Name.2`, …; gaps end the list. */
  list(name: string): readonly string[] {
    const values: string[] = [];
    for (let index = 1; ; index++) {
      const value = this.text(`${name}.${index}`);
      if (value === undefined) return values;
      values.push(value);
    }
  }

  /**
   * `Tag.N.Key` and `Tag.N.Value`.
   * @throws Refusal NumberExceed.Tags above 20, Duplicate.TagKey. Source: §C1 limits, §C3 (both codes unverified there).
   */
  tags(): ReadonlyMap<string, string> {
    const tags = new Map<string, string>();
    for (let index = 1; ; index++) {
      const key = this.text(`Tag.${index}.Key`);
      if (key === undefined) break;
      if (tags.has(key)) throw new Refusal(400, "Duplicate.TagKey", `The Tag.N.Key contains duplicate key "${key}".`);
      tags.set(key, this.wire[`Tag.${index}.Value`] ?? "");
    }
    if (tags.size > maxTags) throw new Refusal(400, "NumberExceed.Tags", "The Tags parameter's number is exceeded.");
    return tags;
  }

  /** Text of a documented length. @throws Refusal InvalidParameter */
  bounded(name: string, min: number, max: number): string | undefined {
    const value = this.text(name);
    if (value !== undefined && (value.length < min || value.length > max)) {
      throw invalidParameter(name, `expected ${min} to ${max} characters`);
    }
    return value;
  }
}

/** Tags of one resource. Source: cloud-api §C1, limits. */
export const maxTags = 20;
