import { describe, expect, it } from "@jest/globals";
import { remedies } from "../audit/findings.ts";
import { readText } from "./named-tests.ts";

describe("docs/audit.md", () => {
  it("has a row for each kind of finding, and no other", () => {
    const rows = [...readText("docs/audit.md").matchAll(/^\| `([A-Z]\w+)` /gm)].map(([, kind]) => kind);
    expect(rows).toEqual(Object.keys(remedies));
  });
});
