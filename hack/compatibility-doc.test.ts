/** docs/compatibility.md and the maps behind it name tests that exist, and leave no statement without one. */
import { describe, expect, it } from "@jest/globals";
import { readText, staleIn } from "./named-tests.ts";

const summary = "docs/compatibility.md";
const maps = ["kept", "quirks", "defects"].map((name) => `docs/compatibility/${name}.md`);

/** Parts of a page that speak of what is not there, so that there is nothing to test. */
const untested = ["Later", "Does not apply"];

/** The statements of a page that name neither a test nor the reason why there is none. */
function unprovenIn(text: string): readonly string[] {
  return text
    .split(/^## /m)
    .filter((part) => !untested.includes(part.split("\n")[0] ?? ""))
    .flatMap((part) => part.split("\n").filter((line) => line.startsWith("- ")))
    .filter((line) => !/\.test\.ts\)|\*\*Later\*\*|No test/.test(line));
}

describe("the pages about compatibility", () => {
  it.each([summary, ...maps])("%s names tests and pages that exist", (page) => {
    expect(staleIn(page, readText(page))).toEqual([]);
  });

  it.each(maps)("%s says of each statement which test shows it, or why none does", (page) => {
    expect(unprovenIn(readText(page))).toEqual([]);
  });

  it("would be found wrong when a test is renamed or goes", () => {
    const own = "../hack/compatibility-doc.test.ts";
    const text = [
      `- [… names tests and pages that exist](${own})`,
      `- [names tests](${own})`,
      `- [… …](${own})`,
      "- [gone](../hack/gone.test.ts)",
      "- nothing",
    ].join("\n");
    expect(staleIn("docs/page.md", text)).toEqual([
      `${own} has no test "names tests"`,
      `${own} has no test "… …"`,
      "../hack/gone.test.ts does not exist",
    ]);
    expect(unprovenIn(`## Part\n\n${text}\n\n## Later\n\n- something`)).toEqual(["- nothing"]);
  });
});
