import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { generateCrdTypes, typesOf } from "./generate-crd-types.ts";

/** A manifest of a kind whose spec has these properties. */
function manifest(spec: object): string {
  const properties = {
    spec: { type: "object", title: "FooBarSpec", ...spec },
    status: { type: "object", title: "FooBarStatus" },
  };
  const openAPIV3Schema = { type: "object", description: "A foo.", properties };
  return JSON.stringify({
    spec: { names: { kind: "FooBAR" }, versions: [{ name: "v1", schema: { openAPIV3Schema } }] },
  });
}

describe("generated CRD types", () => {
  it("are up to date with the manifests", async () => {
    expect(await generateCrdTypes(join(import.meta.dirname, ".."), true)).toEqual([]);
  });

  it("keep descriptions, enums, optionality, lists, maps and shared types", () => {
    const spec = {
      required: ["size"],
      properties: {
        size: { type: "integer", description: "How big." },
        mode: { type: "string", enum: ["A", "B"] },
        modes: { type: "array", items: { type: "string", enum: ["A", "B"] } },
        names: { type: "array", items: { type: "string" } },
        parts: {
          type: "object",
          additionalProperties: { type: "object", title: "Part", properties: { on: { type: "boolean" } } },
        },
        selector: { type: "object", title: "LabelSelector", properties: {} },
      },
    };
    const { fileName, text } = typesOf("crds/foo.yaml", manifest(spec));
    expect(fileName).toBe("foo-bar.gen.ts");
    expect(text).toBe(`// Generated from crds/foo.yaml by hack/generate-crd-types.ts. Do not edit.
import type { LabelSelector, ObjectMeta } from "./meta.ts";

/** A foo. */
export interface FooBAR {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec?: FooBarSpec;
  readonly status?: FooBarStatus;
}

export interface Part {
  readonly on?: boolean;
}

export interface FooBarSpec {
  /** How big. */
  readonly size: number;
  readonly mode?: "A" | "B";
  readonly modes?: readonly ("A" | "B")[];
  readonly names?: readonly string[];
  readonly parts?: Readonly<Record<string, Part>>;
  readonly selector?: LabelSelector;
}

export type FooBarStatus = Readonly<Record<string, never>>;
`);
  });

  it("refuse an object that has no name, and two shapes of one name", () => {
    expect(() => typesOf("x", manifest({ properties: { a: { type: "object", properties: {} } } }))).toThrow(
      /without title/,
    );
    const one = { type: "object", title: "Same", properties: { a: { type: "string" } } };
    const other = { type: "object", title: "Same", properties: { b: { type: "string" } } };
    expect(() => typesOf("x", manifest({ properties: { one, other } }))).toThrow(/two different shapes/);
  });
});
