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

const bodiesByFile = new Map<string, ReadonlyMap<string, string>>();

/**
 * Every text of a test file, one of which is the title: of a suite, a test, or a row of a table. With each its source: of a
 * test with its table, and of what these name of the file.
 */
function bodiesOf(path: string): ReadonlyMap<string, string> {
  const known = bodiesByFile.get(path);
  if (known !== undefined) return known;
  const bodies = new Map<string, string>();
  const add = (title: string, body: string): void => {
    const words = toWords(title);
    bodies.set(words, `${bodies.get(words) ?? ""}${body}\n`);
  };
  const visit = (node: ts.Node, body: string): void => {
    if (ts.isStringLiteralLike(node)) add(node.text, body);
    if (ts.isTemplateExpression(node)) {
      add([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join("…"), body);
    }
    ts.forEachChild(node, (child) => visit(child, isStatementOfSuite(child) ? child.getFullText() : body));
  };
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
  visit(source, "");
  const declared = declarationsIn(source);
  const whole = new Map([...bodies].map(([title, body]) => [title, withNamed(body, declared)]));
  bodiesByFile.set(path, whole);
  return whole;
}

/** Source of the constants and functions outside of tests, by name. */
function declarationsIn(source: ts.SourceFile): ReadonlyMap<string, string> {
  const declared = new Map<string, string>();
  const visit = (node: ts.Node): void => {
    if (isStatementOfSuite(node) && ts.isVariableStatement(node)) {
      for (const { name } of node.declarationList.declarations) declared.set(name.getText(), node.getText());
    }
    if (ts.isFunctionDeclaration(node) && node.name !== undefined) declared.set(node.name.text, node.getText());
    ts.forEachChild(node, visit);
  };
  visit(source);
  return declared;
}

/** A body, with the declarations that it names and those that these name. */
function withNamed(body: string, declared: ReadonlyMap<string, string>): string {
  const used = new Set([body]);
  for (const text of used) {
    for (const [word] of text.matchAll(/[A-Za-z_]\w*/g)) {
      const declaration = declared.get(word);
      if (declaration !== undefined) used.add(declaration);
    }
  }
  return [...used].join("\n");
}

/** A statement of the file or of a suite; one inside of a test belongs to the test. */
function isStatementOfSuite(node: ts.Node): boolean {
  if (!ts.isStatement(node) || ts.isBlock(node)) return false;
  for (let parent: ts.Node = node.parent; !ts.isSourceFile(parent); parent = parent.parent) {
    if (ts.isCallExpression(parent) && !/^describe\b/.test(parent.expression.getText())) return false;
    if (ts.isFunctionDeclaration(parent)) return false;
  }
  return true;
}

/**
 * The source of the tests that a text names, each with its table; a suite's is the suite. Links are relative to `page`.
 */
export function sourcesOf(page: string, text: string): readonly string[] {
  return linksIn(page, text).flatMap(({ path, words }) => (existsSync(path) ? [bodiesOf(path).get(words) ?? ""] : []));
}

/**
 * The files and tests that a page names and that are not there, in words.
 *
 * @param page where the text stands, for the links in it are relative to that
 */
export function staleIn(page: string, text: string): readonly string[] {
  return linksIn(page, text).flatMap(({ shown, target, path, words }) => {
    if (!existsSync(path)) return [`${target} does not exist`];
    const isThere = !target.endsWith(".test.ts") || (words !== "" && bodiesOf(path).has(words));
    return isThere ? [] : [`${target} has no test "${shown}"`];
  });
}

interface Link {
  readonly shown: string;
  /** As it is written. */
  readonly target: string;
  /** Where that is. */
  readonly path: string;
  /** Of the title that is shown. */
  readonly words: string;
}

function linksIn(page: string, text: string): readonly Link[] {
  const links = text.matchAll(/\[((?:[^\]\\]|\\.)*)\]\(([^)#:]+)(?:#[^)]*)?\)/g);
  return [...links].map(([, shown = "", target = ""]) => ({
    shown,
    target,
    path: join(root, dirname(page), target),
    words: toWords(shown.replace(/\\(.)/g, "$1")),
  }));
}
