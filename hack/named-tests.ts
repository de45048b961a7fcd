/** Pages that name tests: as links to test files whose text is the title, `…` for what a table fills in. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

const root = join(import.meta.dirname, "..");

/** The text of a file of the repository, for instance `docs/complaints.md`. */
export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

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

/**
 * The files and tests that a page names and that are not there, in words.
 *
 * @param page where the text stands, for the links in it are relative to that
 */
export function staleIn(page: string, text: string): readonly string[] {
  const links = text.matchAll(/\[((?:[^\]\\]|\\.)*)\]\(([^)#:]+)(?:#[^)]*)?\)/g);
  return [...links].flatMap(([, shown = "", target = ""]) => {
    const path = join(root, dirname(page), target);
    if (!existsSync(path)) return [`${target} does not exist`];
    const words = toWords(shown.replace(/\\(.)/g, "$1"));
    const isThere = !target.endsWith(".test.ts") || (words !== "" && titlesOf(path).has(words));
    return isThere ? [] : [`${target} has no test "${shown}"`];
  });
}
