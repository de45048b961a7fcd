/** Writes docs/errors.md from cloud/error-codes.ts. With `--check`: changes nothing, exits 1 when the file is out of date. */
import { readFileSync, writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { errorRows, type ErrorRow } from "../cloud/error-codes.ts";

const path = new URL("../docs/errors.md", import.meta.url);

const categories: Readonly<Record<ErrorRow["category"], string>> = {
  transient: "May work if repeated; with growing distance.",
  throttled:
    "Too many calls: the API is closed for everybody until the next minute, and our share of the quota shrinks.",
  capacity: "The cloud has no more of it; repeated slowly, and at once when something is known to be free again.",
  waiting: "Someone else must finish first; looked at again soon, and told on the object when it lasts.",
  terminal: "Needs a person; repeated every 30 minutes and when the object changes.",
  invariant: "A bug of this program.",
};

function render(rows: readonly ErrorRow[]): string {
  const lines = [
    "# Errors of the cloud",
    "",
    "<!-- Generated from cloud/error-codes.ts by hack/generate-errors-doc.ts. Do not edit. -->",
    "",
    "What the control plane makes of each error code of ECS and VPC. An exact code wins over a family (`*`), and the first family that fits wins.",
    "A code that no row knows is `transient` with reason `UnknownCloudError`, and is counted in `cloud_unknown_error_codes_total{code}`.",
    "",
    "`Outcome` says whether the effect may have happened: `refused` it has not; `unknown` it may have, so the state is looked at, or the call repeated with",
    "the same client token, before anything else; `by status` is refused below HTTP 500 and unknown from there on.",
    "",
    "`InvalidEniId.NotFound`, `InvalidEcsId.NotFound` and `InvalidInstanceId.NotFound` as the answer to a release are success.",
    "",
  ];
  for (const [category, meaning] of Object.entries(categories)) {
    lines.push(
      `## ${category}`,
      "",
      meaning,
      "",
      "| Code | Reason | Outcome | What to do |",
      "| --- | --- | --- | --- |",
    );
    for (const row of rows.filter((candidate) => candidate.category === category)) {
      const outcome = row.outcome === "byStatus" ? "by status" : row.outcome;
      lines.push(`| \`${row.match}\` | ${row.reason} | ${outcome} | ${row.remedy} |`);
    }
    lines.push("");
  }
  return lines.join("\n");
}

const wanted = await format(render(errorRows), { ...(await resolveConfig(path)), parser: "markdown" });
if (!process.argv.includes("--check")) {
  writeFileSync(path, wanted);
} else if (readOrEmpty() !== wanted) {
  console.error("docs/errors.md is out of date: run node hack/generate-errors-doc.ts");
  process.exitCode = 1;
}

function readOrEmpty(): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Absent is out of date.
    return "";
  }
}
