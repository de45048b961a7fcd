/**
 * Writes crds/v1beta1/*.gen.ts from the CRD manifests: one readonly interface per titled object of the schema. The name of
 * a type is the schema's `title`. With `--check` nothing is written, and a stale file makes the exit status 1.
 */
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";

/** The part of a structural schema that types are made of. */
interface Schema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
}

interface Manifest {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** Types that every kind shares, written by hand. */
const shared: Readonly<Record<string, string>> = {
  Condition: "./condition.ts",
  LabelSelector: "./meta.ts",
  ObjectMeta: "./meta.ts",
};

const scalars: Readonly<Record<string, string>> = {
  string: "string",
  integer: "number",
  number: "number",
  boolean: "boolean",
};

/** Collects the interfaces of one file; equal titles must mean equal shapes. */
class TypeFile {
  readonly imports = new Set<string>();
  readonly interfaces = new Map<string, string>();

  /** The TypeScript type of a schema; declares interfaces on the way. */
  typeOf(schema: Schema): string {
    if (schema.enum !== undefined) {
      return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
    }
    if (schema.items !== undefined) {
      const item = this.typeOf(schema.items);
      return item.includes(" ") ? `readonly (${item})[]` : `readonly ${item}[]`;
    }
    if (schema.additionalProperties !== undefined) {
      return `Readonly<Record<string, ${this.typeOf(schema.additionalProperties)}>>`;
    }
    if (schema.type === "object") {
      return this.named(schema);
    }
    const scalar = scalars[schema.type ?? ""];
    if (scalar === undefined) {
      throw new Error(`no TypeScript type for ${JSON.stringify(schema)}`);
    }
    return scalar;
  }

  private named(schema: Schema): string {
    const name = schema.title;
    if (name === undefined) {
      throw new Error(`an object without title cannot be named: ${JSON.stringify(schema).slice(0, 200)}`);
    }
    if (name in shared) {
      this.imports.add(name);
      return name;
    }
    const fields = Object.entries(schema.properties ?? {}).map(([field, value]) =>
      this.field(field, value, schema.required?.includes(field) ?? false),
    );
    this.declare(name, schema.description, fields);
    return name;
  }

  field(name: string, schema: Schema, isRequired: boolean): string {
    return `${comment(schema.description, "  ")}  readonly ${name}${isRequired ? "" : "?"}: ${this.typeOf(schema)};\n`;
  }

  declare(name: string, description: string | undefined, fields: readonly string[]): void {
    // An empty interface would accept any value.
    const text =
      fields.length === 0
        ? `${comment(description, "")}export type ${name} = Readonly<Record<string, never>>;\n`
        : `${comment(description, "")}export interface ${name} {\n${fields.join("")}}\n`;
    const earlier = this.interfaces.get(name);
    // Descriptions may differ between two uses of one shape; the fields may not.
    if (earlier !== undefined && earlier.slice(earlier.indexOf("export")) !== text.slice(text.indexOf("export"))) {
      throw new Error(`two different shapes have the title ${name}`);
    }
    if (earlier === undefined) {
      this.interfaces.set(name, text);
    }
  }
}

function comment(description: string | undefined, indent: string): string {
  return description === undefined ? "" : `${indent}/** ${description} */\n`;
}

/** `PodENI` → `pod-eni`: an acronym counts as a word. */
function fileNameOf(kind: string): string {
  return kind.replace(/([a-z])([A-Z])/g, "$1-$2").toLowerCase();
}

/**
 * The text of one generated file.
 * @throws Error when an object of the schema has no title, or two shapes share one
 */
export function typesOf(manifestPath: string, yaml: string): { readonly fileName: string; readonly text: string } {
  const { spec } = parse(yaml) as Manifest;
  const version = spec.versions[0];
  if (version === undefined) {
    throw new Error(`${manifestPath} declares no version`);
  }
  const { kind } = spec.names;
  const root = version.schema.openAPIV3Schema;
  const file = new TypeFile();
  file.imports.add("ObjectMeta");
  const fields = ["spec", "status"].map((field) => {
    const schema = root.properties?.[field];
    if (schema === undefined) {
      throw new Error(`${manifestPath} has no ${field}`);
    }
    return file.field(field, schema, false);
  });
  const top = [
    `  readonly apiVersion?: string;\n`,
    `  readonly kind?: string;\n`,
    `  readonly metadata: ObjectMeta;\n`,
    ...fields,
  ];
  file.declare(kind, root.description, top);
  const header = `// Generated from ${manifestPath} by hack/generate-crd-types.ts. Do not edit.\n`;
  const parts = [...file.interfaces.entries()].sort(([a], [b]) => Number(b === kind) - Number(a === kind));
  return {
    fileName: `${fileNameOf(kind)}.gen.ts`,
    text: `${header}${importsOf(file)}\n${parts.map(([, text]) => text).join("\n")}`,
  };
}

function importsOf(file: TypeFile): string {
  return [...new Set(Object.values(shared))]
    .map((module) => ({ module, names: [...file.imports].filter((name) => shared[name] === module).sort() }))
    .filter(({ names }) => names.length > 0)
    .map(({ module, names }) => `import type { ${names.join(", ")} } from "${module}";\n`)
    .join("");
}

/** Generates all files; returns the paths whose content differed. */
export async function generateCrdTypes(root: string, check: boolean): Promise<readonly string[]> {
  const stale: string[] = [];
  const manifests = (await readdir(join(root, "crds"))).filter((name) => name.endsWith(".yaml")).sort();
  for (const manifest of manifests) {
    const generated = typesOf(`crds/${manifest}`, await readFile(join(root, "crds", manifest), "utf8"));
    const path = join("crds", "v1beta1", generated.fileName);
    const current = await readFile(join(root, path), "utf8").catch(() => "");
    if (current !== generated.text) {
      stale.push(path);
      if (!check) {
        await writeFile(join(root, path), generated.text);
      }
    }
  }
  return stale;
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const stale = await generateCrdTypes(join(import.meta.dirname, ".."), check);
  if (check && stale.length > 0) {
    console.error(`stale: ${stale.join(", ")} – run node hack/generate-crd-types.ts`);
    process.exitCode = 1;
  }
}
