import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { applyDefaults, formatFieldErrors, prune, validate, type JsonSchema } from "./structural-schema.ts";

const text: JsonSchema = { type: "string" };
const integer: JsonSchema = { type: "integer" };

/** A schema of one field `x` in `spec`. */
function spec(x: JsonSchema, required: string[] = []): JsonSchema {
  return { type: "object", properties: { spec: { type: "object", properties: { x }, required } } };
}

describe("applyDefaults", () => {
  const cases: { name: string; schema: JsonSchema; value: unknown; expected: unknown }[] = [
    {
      name: "fills in an absent field",
      schema: spec({ ...text, default: "a" }),
      value: { spec: {} },
      expected: { spec: { x: "a" } },
    },
    {
      name: "keeps a field that is set, even to its zero value",
      schema: spec({ ...integer, default: 3 }),
      value: { spec: { x: 0 } },
      expected: { spec: { x: 0 } },
    },
    {
      name: "does not create the parent of a default",
      schema: spec({ ...text, default: "a" }),
      value: {},
      expected: {},
    },
    {
      name: "fills in inside a default object",
      schema: {
        type: "object",
        properties: { spec: { type: "object", default: {}, properties: { x: { ...text, default: "a" } } } },
      },
      value: {},
      expected: { spec: { x: "a" } },
    },
    {
      name: "replaces null where the schema is not nullable",
      schema: spec({ ...text, default: "a" }),
      value: { spec: { x: null } },
      expected: { spec: { x: "a" } },
    },
    {
      name: "keeps null where the schema is nullable",
      schema: spec({ ...text, default: "a", nullable: true }),
      value: { spec: { x: null } },
      expected: { spec: { x: null } },
    },
    {
      name: "removes null without a default",
      schema: spec(text),
      value: { spec: { x: null } },
      expected: { spec: {} },
    },
    {
      name: "keeps null of a field that the schema does not know",
      schema: spec({ type: "object", "x-kubernetes-preserve-unknown-fields": true }),
      value: { spec: { x: { y: null } } },
      expected: { spec: { x: { y: null } } },
    },
    {
      name: "goes into list items and map values",
      schema: spec({
        type: "object",
        additionalProperties: {
          type: "array",
          items: { type: "object", properties: { y: { ...integer, default: 7 } } },
        },
      }),
      value: { spec: { x: { k: [{}, { y: 1 }] } } },
      expected: { spec: { x: { k: [{ y: 7 }, { y: 1 }] } } },
    },
  ];
  it.each(cases)("$name", ({ schema, value, expected }) => {
    const before = structuredClone(value);
    expect(applyDefaults(schema, value)).toEqual(expected);
    expect(value).toEqual(before);
  });

  it("gives each object its own copy of a default", () => {
    const schema = spec({ type: "object", default: { y: [] } });
    const one = applyDefaults(schema, { spec: {} }) as { spec: { x: { y: unknown[] } } };
    one.spec.x.y.push(1);
    expect(applyDefaults(schema, { spec: {} })).toEqual({ spec: { x: { y: [] } } });
  });
});

describe("prune", () => {
  const unknown = { type: "object", "x-kubernetes-preserve-unknown-fields": true } as const;
  const cases: { name: string; schema: JsonSchema; value: unknown; expected: unknown; pruned: string[] }[] = [
    {
      name: "removes unknown fields and names them",
      schema: spec({ type: "array", items: { type: "object", properties: { a: text } } }),
      value: { spec: { x: [{ a: "1", b: "2" }], y: 1 }, status: {} },
      expected: { spec: { x: [{ a: "1" }] } },
      pruned: ["spec.x[0].b", "spec.y", "status"],
    },
    {
      name: "keeps type and metadata of the root whole",
      schema: spec(text),
      value: { apiVersion: "g/v1", kind: "K", metadata: { name: "n", labels: { a: "b" } }, spec: {} },
      expected: { apiVersion: "g/v1", kind: "K", metadata: { name: "n", labels: { a: "b" } }, spec: {} },
      pruned: [],
    },
    {
      name: "keeps unknown fields that are to be preserved, but prunes known ones in them",
      schema: spec({ ...unknown, properties: { a: { type: "object", properties: { b: text } } } }),
      value: { spec: { x: { free: { z: 1 }, a: { b: "1", c: 2 } } } },
      expected: { spec: { x: { free: { z: 1 }, a: { b: "1" } } } },
      pruned: ["spec.x.a.c"],
    },
    {
      name: "keeps type and metadata of an embedded resource",
      schema: spec({ type: "object", "x-kubernetes-embedded-resource": true, properties: { spec: unknown } }),
      value: { spec: { x: { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { q: 1 }, other: 1 } } },
      expected: { spec: { x: { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { q: 1 } } } },
      pruned: ["spec.x.other"],
    },
    {
      name: "prunes inside map values",
      schema: spec({ type: "object", additionalProperties: { type: "object", properties: { a: text } } }),
      value: { spec: { x: { k: { a: "1", b: "2" } } } },
      expected: { spec: { x: { k: { a: "1" } } } },
      pruned: ["spec.x.k.b"],
    },
  ];
  it.each(cases)("$name", ({ schema, value, expected, pruned }) => {
    const before = structuredClone(value);
    const result = prune(schema, value);
    expect(result).toEqual({ value: expected, prunedPaths: pruned });
    expect(value).toEqual(before);
  });

  it("returns the same value when there is nothing to prune", () => {
    const value = { spec: { x: "a" } };
    expect(prune(spec(text), value).value).toBe(value);
  });
});

describe("validate words its errors as a real kube-apiserver", () => {
  const labels: JsonSchema = { type: "object", additionalProperties: { type: "string", maxLength: 1 } };
  const keyed: JsonSchema = {
    type: "array",
    items: { type: "object", properties: { name: text } },
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
  };
  const cases: { name: string; schema: JsonSchema; x: unknown; errors: string[] }[] = [
    {
      name: "type",
      schema: integer,
      x: "a",
      errors: ['Invalid value: "string": spec.x in body must be of type integer: "string"'],
    },
    {
      name: "null",
      schema: text,
      x: null,
      errors: ['Invalid value: "null": spec.x in body must be of type string: "null"'],
    },
    { name: "nullable", schema: { ...text, nullable: true }, x: null, errors: [] },
    { name: "whole numbers are numbers", schema: { type: "number" }, x: 1, errors: [] },
    {
      name: "fractions are not integers",
      schema: integer,
      x: 1.5,
      errors: ['Invalid value: "number": spec.x in body must be of type integer: "number"'],
    },
    {
      name: "enum",
      schema: { ...text, enum: ["Trunk", "ENI", "Default"] },
      x: "X",
      errors: ['Unsupported value: "X": supported values: "Trunk", "ENI", "Default"'],
    },
    {
      name: "minimum",
      schema: { ...integer, minimum: 1 },
      x: 0,
      errors: ["Invalid value: 0: spec.x in body should be greater than or equal to 1"],
    },
    {
      name: "exclusive maximum",
      schema: { ...integer, maximum: 1, exclusiveMaximum: true },
      x: 1,
      errors: ["Invalid value: 1: spec.x in body should be less than 1"],
    },
    {
      name: "multiple",
      schema: { ...integer, multipleOf: 2 },
      x: 3,
      errors: ["Invalid value: 3: spec.x in body should be a multiple of 2"],
    },
    {
      name: "maxLength",
      schema: { ...text, maxLength: 2 },
      x: "abc",
      errors: ["Too long: may not be more than 2 bytes"],
    },
    {
      name: "minLength",
      schema: { ...text, minLength: 1 },
      x: "",
      errors: ['Invalid value: "": spec.x in body should be at least 1 chars long'],
    },
    {
      name: "pattern",
      schema: { ...text, pattern: "^eni-[a-z0-9]+$" },
      x: "E",
      errors: ["Invalid value: \"E\": spec.x in body should match '^eni-[a-z0-9]+$'"],
    },
    { name: "pattern with flags of RE2", schema: { ...text, pattern: "(?i)^a\\-b$" }, x: "A-B", errors: [] },
    {
      name: "maxItems",
      schema: { type: "array", maxItems: 1, items: text },
      x: ["a", "b"],
      errors: ["Too many: 2: must have at most 1 item"],
    },
    {
      name: "minItems",
      schema: { type: "array", minItems: 1, items: text },
      x: [],
      errors: ["Invalid value: 0: spec.x in body should have at least 1 items"],
    },
    {
      name: "maxProperties",
      schema: { type: "object", maxProperties: 0, additionalProperties: text },
      x: { a: "b" },
      errors: ["Too many: 1: must have at most 0 items"],
    },
    {
      name: "format date-time",
      schema: { ...text, format: "date-time" },
      x: "yesterday",
      errors: ['Invalid value: "yesterday": spec.x in body must be of type date-time: "yesterday"'],
    },
    { name: "a good date-time", schema: { ...text, format: "date-time" }, x: "2026-01-02T03:04:05Z", errors: [] },
    { name: "an unknown format", schema: { ...text, format: "colour" }, x: "red", errors: [] },
    { name: "a good CIDR", schema: { ...text, format: "cidr" }, x: "10.0.0.0/8", errors: [] },
    {
      name: "format cidr",
      schema: { ...text, format: "cidr" },
      x: "10.0.0.0/33",
      errors: ['Invalid value: "10.0.0.0/33": spec.x in body must be of type cidr: "10.0.0.0/33"'],
    },
    { name: "map values", schema: labels, x: { a: "12" }, errors: ["Too long: may not be more than 1 byte"] },
    {
      name: "int-or-string",
      schema: { "x-kubernetes-int-or-string": true },
      x: true,
      errors: ['Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"'],
    },
    {
      name: "duplicates in a list of type map",
      schema: keyed,
      x: [{ name: "a" }, { name: "b" }, { name: "a" }],
      errors: ['Duplicate value: {"name":"a"}'],
    },
    {
      name: "duplicates in a set",
      schema: { type: "array", items: text, "x-kubernetes-list-type": "set" },
      x: ["a", "a"],
      errors: ['Duplicate value: "a"'],
    },
    {
      name: "oneOf",
      schema: { oneOf: [{ minimum: 5 }, { maximum: 2 }], type: "integer" },
      x: 3,
      errors: [
        'Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid',
        "Invalid value: 3: spec.x in body should be greater than or equal to 5",
      ],
    },
    { name: "anyOf", schema: { anyOf: [{ minimum: 5 }, { maximum: 3 }], type: "integer" }, x: 3, errors: [] },
    {
      name: "not",
      schema: { not: { enum: [3] }, type: "integer" },
      x: 3,
      errors: ['Invalid value: "": "spec.x" must not validate the schema (not)'],
    },
  ];
  it.each(cases)("$name", ({ schema, x, errors }) => {
    expect(validate(spec(schema), { spec: { x } }).map(({ message }) => message)).toEqual(errors);
  });

  it("names the field and the reason of each error", () => {
    const errors = validate(spec(text, ["x", "y"]), { spec: { y: 1 } });
    expect(errors).toEqual([{ field: "spec.x", type: "FieldValueRequired", message: "Required value" }]);
    expect(formatFieldErrors(errors)).toBe("spec.x: Required value");
  });

  it("writes several errors in brackets, each once", () => {
    const error = { field: "a", type: "FieldValueRequired", message: "Required value" } as const;
    expect(formatFieldErrors([error, error, { ...error, field: "b" }])).toBe("[a: Required value, b: Required value]");
  });

  it("does not blame an update for what was wrong before it", () => {
    const schema = spec({ type: "object", properties: { a: { ...text, maxLength: 1 }, b: { ...text, maxLength: 1 } } });
    const old = { spec: { x: { a: "long" } } };
    expect(validate(schema, { spec: { x: { a: "long", b: "1" } } }, old)).toEqual([]);
    expect(validate(schema, { spec: { x: { a: "other" } } }, old)).toHaveLength(1);
  });

  it("finds the old item of a keyed list by its key", () => {
    const schema = spec({
      ...keyed,
      items: { type: "object", properties: { name: text, v: { ...text, maxLength: 1 } } },
    });
    const old = { spec: { x: [{ name: "a", v: "long" }] } };
    expect(
      validate(
        schema,
        {
          spec: {
            x: [
              { name: "b", v: "1" },
              { name: "a", v: "long" },
            ],
          },
        },
        old,
      ),
    ).toEqual([]);
  });
});

describe("for any value", () => {
  const schema: JsonSchema = {
    type: "object",
    properties: {
      a: { ...text, default: "d" },
      b: { type: "object", default: {}, properties: { a: { ...integer, default: 1 }, c: text } },
      c: { type: "array", items: { type: "object", properties: { a: { ...text, default: "i" } } } },
      d: { type: "object", additionalProperties: { type: "object", properties: { b: { ...text, default: "m" } } } },
      e: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    },
  };
  const key = fc.constantFrom("a", "b", "c", "d", "e", "f");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, 1, "s", true),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  }));

  it("defaulting twice is defaulting once", () => {
    fc.assert(
      fc.property(value, (input) => {
        const once = applyDefaults(schema, input);
        expect(applyDefaults(schema, once)).toBe(once);
      }),
    );
  });

  it("pruning twice is pruning once, and nothing else is left to prune", () => {
    fc.assert(
      fc.property(value, (input) => {
        const once = prune(schema, input).value;
        expect(prune(schema, once)).toEqual({ value: once, prunedPaths: [] });
      }),
    );
  });

  it("an object is valid against itself as its old version", () => {
    fc.assert(fc.property(value, (input) => expect(validate(schema, input, input)).toEqual([])));
  });
});
