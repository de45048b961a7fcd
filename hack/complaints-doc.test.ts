/** docs/complaints.md answers every complaint, with tests, reasons and metrics that exist. */
import { describe, expect, it } from "@jest/globals";
import { readText, sourcesOf, staleIn } from "./named-tests.ts";

const page = "docs/complaints.md";
/** Of the published program, found by reading it: there is no issue to name. */
const found = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
const numbers = [...Array.from({ length: 73 }, (_, index) => String(index + 1)), ...found];

/** Words of Kubernetes and of phases, which are no reasons. */
const wordsOfOthers = new Set(["Ignore", "Ready", "Deleting", "Detaching", "NetworkUnavailable"]);

interface Row {
  readonly number: string;
  readonly complaint: string;
  readonly here: string;
  readonly test: string;
}

function rowsOf(text: string): readonly Row[] {
  return text
    .split("\n")
    .filter((line) => /^\| (?:\d+|[a-k]) +\|/.test(line))
    .map((line) => {
      const [number = "", complaint = "", here = "", test = ""] = line
        .split("|")
        .slice(1)
        .map((cell) => cell.trim());
      return { number, complaint, here, test };
    });
}

/** Names of conditions, reasons, events and metrics of a text: `InvalidSpec`, `cloud_suspended`. */
function namesIn(text: string): readonly string[] {
  return [...text.matchAll(/`([A-Z][a-zA-Z]+|(?:terway|cloud|informer)_[a-z_]+)`/g)].map(([, name = ""]) => name);
}

/** The rows that neither name a test nor say why there is none, and those that say nothing of a complaint or of us. */
function unansweredIn(rows: readonly Row[]): readonly string[] {
  return rows
    .filter(({ complaint, here, test }) => {
      const isAnswered = test.includes(".test.ts)") || /^\*\*(?:Cannot occur|Not yet)\*\*: ./.test(test);
      return complaint === "" || here === "" || !isAnswered;
    })
    .map(({ number }) => number);
}

/** The reasons that a row promises and that none of its tests looks at. */
function unseenIn({ number, here, test }: Row): readonly string[] {
  const bodies = sourcesOf(page, test);
  const reasons = namesIn(here).filter((name) => !name.includes("_") && !wordsOfOthers.has(name));
  return reasons
    .filter((reason) => !bodies.some((body) => body.includes(reason)))
    .map((reason) => `${number}: ${reason}`);
}

describe("the page about complaints", () => {
  const text = readText(page);
  const rows = rowsOf(text);

  it("has one row for each complaint, in order", () => {
    expect(rows.map(({ number }) => number)).toEqual(numbers);
  });

  it("names the public issue of each complaint that has one", () => {
    const unnamed = rows.filter(({ complaint }) => !/`[\w-]+\/[\w-]+#\d+`/.test(complaint));
    expect(unnamed.map(({ number }) => number)).toEqual(found);
  });

  it("says of each which test shows it, or why none does", () => {
    expect(unansweredIn(rows)).toEqual([]);
  });

  it("names tests and pages that exist", () => {
    expect(staleIn(page, text)).toEqual([]);
  });

  it("names conditions, reasons, events and metrics that exist", () => {
    const documented = new Set([...["docs/conditions.md", "docs/metrics.md"].flatMap((doc) => namesIn(readText(doc)))]);
    const unknown = rows
      .flatMap(({ here }) => namesIn(here))
      .filter((name) => !documented.has(name) && !wordsOfOthers.has(name));
    expect(unknown).toEqual([]);
  });

  it("names a test that speaks of each reason of a row", () => {
    expect(rows.flatMap(unseenIn)).toEqual([]);
  });

  it("would be found wrong when a row says nothing", () => {
    const lines = [
      "| 1 | slow `a/b#1` | fast | [it is fast](../hack/complaints-doc.test.ts) |",
      "| 2 | slow | fast | no |",
      "| 3 | slow | | **Not yet**: the agent |",
      "| a | slow | – | **Cannot occur**: there is none |",
      "| b | slow | – | **Cannot occur**: |",
    ];
    expect(unansweredIn(rowsOf(lines.join("\n")))).toEqual(["2", "3", "b"]);
  });

  it("would be found wrong when no test of a row looks at its reason, whatever the rest of their file says", () => {
    const test = "[says of each which test shows it, or why none does](../hack/complaints-doc.test.ts)";
    expect(unseenIn({ number: "1", complaint: "slow", here: "`AccessDenied`", test })).toEqual(["1: AccessDenied"]);
  });

  it("counts the table of a test, and the constants and functions that it names", () => {
    const test = "[names a test that speaks of each reason of a row](../hack/complaints-doc.test.ts)";
    // A word of others is one only because a constant says so, which a function that the test names looks at.
    expect(sourcesOf(page, test).join("")).toContain("Detaching");
  });
});
