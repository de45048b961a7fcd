import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";
import { describeApi } from "./api.ts";
import { type Answer, type Client } from "./client.ts";
import { crdsPath, makeThings, sharedThings, type Things } from "./objects.ts";

describeApi("custom resources", (api) => {
  let client: Client;
  let things: Things;
  let path: string;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    path = things.pathIn((await client.namespace()).name);
  });
  const post = (spec: object, query = ""): Promise<Answer> =>
    client.post(`${path}${query}`, things.make("a", { spec }));

  describe("are given defaults", () => {
    it.each([
      { name: "of a field", spec: { size: 1 }, want: { size: 1, color: "Red", limits: { cpu: 2, memory: 5 } } },
      {
        name: "within an object that is given",
        spec: { size: 1, limits: {} },
        want: { size: 1, color: "Red", limits: { cpu: 2 } },
      },
      {
        name: "within items",
        spec: { size: 1, ports: [{ name: "p" }] },
        want: { size: 1, color: "Red", limits: { cpu: 2, memory: 5 }, ports: [{ name: "p", protocol: "TCP" }] },
      },
      {
        name: "for null where null is not allowed",
        spec: { size: 1, color: null },
        want: { size: 1, color: "Red", limits: { cpu: 2, memory: 5 } },
      },
      {
        name: "but keep null where it is allowed",
        spec: { size: 1, maybe: null },
        want: { size: 1, color: "Red", maybe: null, limits: { cpu: 2, memory: 5 } },
      },
    ])("$name", async ({ spec, want }) => {
      const { status, body } = await post(spec);
      expect({ status, spec: body.spec }).toEqual({ status: 201, spec: want });
    });

    it("when they are read, if the schema got them later", async () => {
      const later = await makeThings(client);
      const laterPath = later.pathIn((await client.namespace()).name);
      await client.createByApply(laterPath, later.make("a"));
      const { body } = await client.get(`${crdsPath}/${later.crdName}`);
      await client.put(`${crdsPath}/${later.crdName}`, withProperty(body, "later", { type: "string", default: "yes" }));
      const read = await client.eventually(`${laterPath}/a`, (answer) => {
        return (answer.body.spec as { later?: string } | undefined)?.later !== undefined;
      });
      expect(read.body).toMatchObject({ spec: { later: "yes" }, metadata: { generation: 1 } });
    });
  });

  describe("are pruned", () => {
    it.each([
      { name: "of unknown fields, with a warning", query: "", warning: '299 - "unknown field \\"spec.other\\""' },
      { name: "silently when asked", query: "?fieldValidation=Ignore", warning: undefined },
    ])("$name", async ({ query, warning }) => {
      const { status, headers, body } = await post({ size: 1, other: true }, query);
      expect(status).toBe(201);
      expect(body.spec).not.toHaveProperty("other");
      expect(headers["warning"]).toBe(warning);
    });

    it("deep inside, but not below what keeps unknown fields", async () => {
      const { body } = await post({ size: 1, limits: { other: 1 }, free: { any: { thing: [1] } }, labels: { a: "b" } });
      expect(body.spec).toMatchObject({ free: { any: { thing: [1] } }, labels: { a: "b" } });
      expect((body.spec as { limits: object }).limits).toEqual({ cpu: 2 });
    });

    it("by patches, too", async () => {
      await post({ size: 1 });
      const { body } = await client.merge(`${path}/a`, { spec: { other: 1, color: "Blue" } });
      expect(body.spec).toEqual({ size: 1, color: "Blue", limits: { cpu: 2, memory: 5 } });
    });

    it("not at all when strict: they are refused", async () => {
      const { body } = await post({ size: 1, other: true, more: 1 }, "?fieldValidation=Strict");
      expect(body).toMatchObject({ code: 400, reason: "BadRequest" });
      expect(body.message).toBe(
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.more", unknown field "spec.other"',
      );
    });
  });

  describe("are held to their schema", () => {
    it.each([
      {
        name: "a missing field",
        spec: {},
        field: "spec.size",
        reason: "FieldValueRequired",
        message: "Required value",
      },
      {
        name: "a value below the minimum",
        spec: { size: 0 },
        field: "spec.size",
        reason: "FieldValueInvalid",
        message: "Invalid value: 0: spec.size in body should be greater than or equal to 1",
      },
      {
        name: "a value above the maximum",
        spec: { size: 101 },
        field: "spec.size",
        reason: "FieldValueInvalid",
        message: "Invalid value: 101: spec.size in body should be less than or equal to 100",
      },
      {
        name: "a text for a number",
        spec: { size: "1" },
        field: "spec.size",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "string": spec.size in body must be of type integer: "string"',
      },
      {
        name: "a fraction for an integer",
        spec: { size: 1.5 },
        field: "spec.size",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "number": spec.size in body must be of type integer: "number"',
      },
      {
        name: "a number for a text",
        spec: { size: 1, code: 5 },
        field: "spec.code",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "integer": spec.code in body must be of type string: "integer"',
      },
      {
        name: "a text for a boolean",
        spec: { size: 1, on: "yes" },
        field: "spec.on",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "string": spec.on in body must be of type boolean: "string"',
      },
      {
        name: "a value that is not listed",
        spec: { size: 1, color: "Green" },
        field: "spec.color",
        reason: "FieldValueNotSupported",
        message: 'Unsupported value: "Green": supported values: "Red", "Blue"',
      },
      {
        name: "a pattern that does not match",
        spec: { size: 1, code: "A1" },
        field: "spec.code",
        reason: "FieldValueInvalid",
        message: `Invalid value: "A1": spec.code in body should match '^[a-z]+$'`,
      },
      {
        name: "a text that is too short",
        spec: { size: 1, code: "a" },
        field: "spec.code",
        reason: "FieldValueInvalid",
        message: 'Invalid value: "a": spec.code in body should be at least 2 chars long',
      },
      {
        name: "a text that is too long",
        spec: { size: 1, code: "abcdef" },
        field: "spec.code",
        reason: "FieldValueTooLong",
        message: "Too long: may not be more than 5 bytes",
      },
      {
        name: "a time that is none",
        spec: { size: 1, at: "noon" },
        field: "spec.at",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "noon": spec.at in body must be of type date-time: "noon"',
      },
      {
        name: "too many items",
        spec: { size: 1, names: ["a", "b", "c", "d"] },
        field: "spec.names",
        reason: "FieldValueTooMany",
        message: "Too many: 4: must have at most 3 items",
      },
      {
        name: "a set with a value twice",
        spec: { size: 1, names: ["a", "a"] },
        field: "spec.names[1]",
        reason: "FieldValueDuplicate",
        message: 'Duplicate value: "a"',
      },
      {
        name: "a list with a key twice",
        spec: { size: 1, ports: [{ name: "a" }, { name: "a" }] },
        field: "spec.ports[1]",
        reason: "FieldValueDuplicate",
        message: 'Duplicate value: {"name":"a"}',
      },
      {
        name: "an item without its key",
        spec: { size: 1, ports: [{}] },
        field: "spec.ports[0].name",
        reason: "FieldValueRequired",
        message: "Required value",
      },
      {
        name: "a value of a map of another type",
        spec: { size: 1, labels: { a: 1 } },
        field: "spec.labels.a",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
      },
      {
        name: "an object for a list",
        spec: { size: 1, plain: {} },
        field: "spec.plain",
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "object": spec.plain in body must be of type array: "object"',
      },
    ])("refuse $name", async ({ spec, field, reason, message }) => {
      const { status, body } = await post(spec);
      expect({ status, reason: body.reason }).toEqual({ status: 422, reason: "Invalid" });
      expect(body.message).toBe(`Thing.${things.group} "a" is invalid: ${field}: ${message}`);
      expect(body.details).toEqual({
        name: "a",
        group: things.group,
        kind: "Thing",
        causes: [{ reason, message, field }],
      });
    });

    it.each([
      { name: "an integer or a text", spec: { size: 1, amount: 5 } },
      { name: "a text or an integer", spec: { size: 1, amount: "5Gi" } },
      { name: "a whole number for a number", spec: { size: 1, ratio: 2 } },
      { name: "an integer written as a fraction", spec: { size: 1.0 } },
      { name: "a time with a zone", spec: { size: 1, at: "2026-01-02T03:04:05.678+08:00" } },
    ])("accept $name", async ({ spec }) => {
      expect((await post(spec)).status).toBe(201);
    });

    it("tell all faults at once", async () => {
      const { body } = await post({ size: 0, color: "Green" });
      expect(body.details?.causes?.map(({ field }) => field).sort()).toEqual(["spec.color", "spec.size"]);
      expect(body.message).toMatch(/ is invalid: \[.*, .*\]$/);
    });

    it("are refused for another kind or version", async () => {
      const kind = await client.post(path, { ...things.make("a"), kind: "Other" });
      expect(kind.body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field: "kind" }] } });
      expect(kind.body.message).toBe(
        `Other.${things.group} "a" is invalid: kind: Invalid value: "Other": must be Thing`,
      );
      const version = await client.post(path, { ...things.make("a"), apiVersion: `${things.group}/v9` });
      expect(version.body).toMatchObject({
        code: 400,
        message: `the API version in the data (${things.group}/v9) does not match the expected API version (${things.apiVersion})`,
      });
    });

    it("are refused for a name that is none", async () => {
      const { body } = await client.post(path, things.make("A_b"));
      expect(body).toMatchObject({
        code: 422,
        details: { causes: [{ field: "metadata.name", reason: "FieldValueInvalid" }] },
      });
    });

    it("stay readable and deletable when the schema becomes stricter, and keep old faults", async () => {
      const later = await makeThings(client);
      const laterPath = later.pathIn((await client.namespace()).name);
      await client.createByApply(laterPath, later.make("a", { spec: { size: 1, code: "abcde" } }));
      const { body } = await client.get(`${crdsPath}/${later.crdName}`);
      await client.put(`${crdsPath}/${later.crdName}`, withProperty(body, "code", { type: "string", maxLength: 2 }));
      const strict = later.make("b", { spec: { size: 1, code: "abc" } });
      const tryIt = () => client.apply(`${laterPath}/b`, "tests", strict, "&dryRun=All");
      let refused = await tryIt();
      const endMs = Date.now() + 10_000;
      while (refused.status === 201 && Date.now() < endMs) refused = await tryIt();
      expect(refused.status).toBe(422);
      expect((await client.get(`${laterPath}/a`)).body.spec).toMatchObject({ code: "abcde" });
      expect((await client.merge(`${laterPath}/a`, { spec: { size: 2 } })).status).toBe(200);
      expect((await client.merge(`${laterPath}/a`, { spec: { code: "abcd" } })).status).toBe(422);
      expect((await client.delete(`${laterPath}/a`)).status).toBe(200);
    });
  });
});

interface Crd {
  metadata: { name: string };
  spec: { versions: Record<string, unknown>[] };
}

/** The definition with one more property of the spec of its objects. */
function withProperty(crd: KubeJson, name: string, schema: object): KubeJson {
  const copy = structuredClone(crd);
  const { versions } = (copy as unknown as Crd).spec;
  const first = versions[0] as {
    schema: { openAPIV3Schema: { properties: { spec: { properties: Record<string, object> } } } };
  };
  first.schema.openAPIV3Schema.properties.spec.properties[name] = schema;
  return copy;
}
