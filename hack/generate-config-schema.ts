/**
 * Writes docs/configuration.schema.json and the table of docs/configuration.md from cmd/config-keys.ts. With `--check`:
 * changes nothing, exits 1 when one of them is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { configKeys, type ConfigKey } from "../cmd/config-keys.ts";

const keys: readonly ConfigKey<unknown>[] = Object.values(configKeys);
const schemaUrl = new URL("../docs/configuration.schema.json", import.meta.url);
const pageUrl = new URL("../docs/configuration.md", import.meta.url);

// Stricter than the program where a mistake is likelier than a purpose; docs/configuration.md says in what.
const schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "ctrl-config.yaml of terway-controlplane",
  $comment: "Generated from cmd/config-keys.ts by hack/generate-config-schema.ts. Do not edit.",
  type: "object",
  required: keys.filter(({ isRequired }) => isRequired).map(({ key }) => key),
  additionalProperties: false,
  properties: Object.fromEntries(keys.map((key) => [key.key, { description: describe(key), ...key.schema }])),
};

function describe({ meaning, valid }: ConfigKey<unknown>): string {
  return `${meaning}${valid === "" ? "" : ` (${valid})`}`.replace(/`|\[|\]\([^)]*\)/g, "");
}

const rows = keys.map((key) => `| \`${key.key}\` | ${code(key.default)} | ${key.valid} | ${key.meaning} |`);
const table = ["| key | default | valid | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

const begin = "<!-- Generated from cmd/config-keys.ts by hack/generate-config-schema.ts. Do not edit. -->";
const end = "<!-- End of the generated part. -->";

/** @throws Error when the page has lost its marks */
function withTable(page: string): string {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error("docs/configuration.md has no place for the table");
  return `${before}${begin}\n\n${table}\n\n${end}${after}`;
}

await write(schemaUrl, () => JSON.stringify(schema), "json");
await write(pageUrl, withTable, "markdown");

async function write(url: URL, render: (present: string) => string, parser: string): Promise<void> {
  const present = readOrEmpty(url);
  const wanted = await format(render(present), { ...(await resolveConfig(url)), parser });
  if (wanted === present) return;
  if (!process.argv.includes("--check")) {
    writeFileSync(url, wanted);
    return;
  }
  console.error(`${url.pathname} is out of date: run node hack/generate-config-schema.ts`);
  process.exitCode = 1;
}

function readOrEmpty(url: URL): string {
  try {
    return readFileSync(url, "utf8");
  } catch {
    // Absent is out of date.
    return "";
  }
}
