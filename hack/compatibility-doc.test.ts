/** docs/compatibility.md and the maps behind it name tests that exist, and leave no statement without one. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import ts from "typescript";

const root = join(import.meta.dirname, "..");
const summary = "docs/compatibility.md";
const maps = ["kept", "quirks", "defects"].map((name) => `docs/compatibility/${name}.md`);

/** Parts of a page that speak of what is not there, so that there is nothing to test. */
const untested = ["Later", "Does not apply"];

/** The words of a title: without what a table fills in, and without what joins it to the rest. */
function toWords(title: string): string {
  const filledIn = /\$\w+(?:\.\w+)*|%\w|…/g;
  return title
    .replace(filledIn, " ")
    .replace(/[\s:,()]+/g, " ")
    .trim();
}

const titlesByFile = new Map<string, ReadonlySet<string>>();

/** Every text of a test file, one of which is the title: of a suite, a test, or a row of a table. */
function titlesOf(path: string): ReadonlySet<string> {
  const known = titlesByFile.get(path);
  if (known !== undefined) return known;
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) titles.add(toWords(node.text));
    if (ts.isTemplateExpression(node)) {
      titles.add(toWords([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("…")));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest));
  titlesByFile.set(path, titles);
  return titles;
}

/** What a page names that is not there. */
function staleIn(page: string, text: string): readonly string[] {
  const links = text.matchAll(/\[((?:[^\]\\]|\\.)*)\]\(([^)#:]+)(?:#[^)]*)?\)/g);
  return [...links].flatMap(([, shown = "", target = ""]) => {
    const path = join(root, dirname(page), target);
    if (!existsSync(path)) return [`${target} does not exist`];
    const words = toWords(shown.replace(/\\(.)/g, "$1"));
    const isThere = !target.endsWith(".test.ts") || (words !== "" && titlesOf(path).has(words));
    return isThere ? [] : [`${target} has no test "${shown}"`];
  });
}

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
    expect(staleIn(page, readFileSync(join(root, page), "utf8"))).toEqual([]);
  });

  it.each(maps)("%s says of each statement which test shows it, or why none does", (page) => {
    expect(unprovenIn(readFileSync(join(root, page), "utf8"))).toEqual([]);
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
