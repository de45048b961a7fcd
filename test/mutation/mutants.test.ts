import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { mutants } from "./mutants.ts";

const root = join(import.meta.dirname, "..", "..");

describe("mutants", () => {
  it("are at least 25, each with a name of its own", () => {
    expect(mutants.length).toBeGreaterThanOrEqual(25);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  it.each(mutants)("$name: its place is in $file once", ({ file, find, replace }) => {
    const parts = readFileSync(join(root, file), "utf8").split(find);
    expect(parts).toHaveLength(2);
    expect(replace).not.toBe(find);
  });
});
