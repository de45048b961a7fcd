import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";
import { describeApi } from "./api.ts";
import { fieldsOf, managersOf, patchTypes, versionOf, type Answer, type Client } from "./client.ts";
import { aConfigMap, aPod, sharedThings, type Things } from "./objects.ts";

describeApi("server-side apply", (api) => {
  let client: Client;
  let things: Things;
  let namespace: { readonly name: string; readonly path: string };
  let map: string;
  let thing: string;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
    map = `${namespace.path}/configmaps/a`;
    thing = `${things.pathIn(namespace.name)}/a`;
  });
  const applyData = (manager: string, data: object, query = ""): Promise<Answer> =>
    client.apply(map, manager, aConfigMap("a", { data }), query);
  const applySpec = (manager: string, spec: object, query = ""): Promise<Answer> =>
    client.apply(thing, manager, things.make("a", { spec }), query);

  describe("of a new object", () => {
    it("creates it", async () => {
      const { status, body } = await applyData("one", { x: "1" });
      expect(status).toBe(201);
      expect(body.metadata?.managedFields).toEqual([
        {
          manager: "one",
          operation: "Apply",
          apiVersion: "v1",
          time: expect.any(String),
          fieldsType: "FieldsV1",
          fieldsV1: { "f:data": { "f:x": {} } },
        },
      ]);
    });

    it("creates nothing when it names a uid", async () => {
      const metadata = { uid: "00000000-0000-4000-8000-000000000000" };
      const { body } = await client.apply(map, "one", aConfigMap("a", { metadata }));
      expect(body).toMatchObject({ code: 409, reason: "Conflict" });
      expect((await client.get(map)).status).toBe(404);
    });

    it("stores nothing in a dry run", async () => {
      expect((await applyData("one", { x: "1" }, "&dryRun=All")).status).toBe(201);
      expect((await client.get(map)).status).toBe(404);
    });

    it("gives a custom resource its defaults, which nobody owns", async () => {
      const { status, body } = await applySpec("one", { size: 2 });
      expect({ status, spec: body.spec }).toEqual({
        status: 201,
        spec: { size: 2, color: "Red", limits: { cpu: 2, memory: 5 } },
      });
      expect(fieldsOf(body, "one")).toEqual({ "f:spec": { "f:size": {} } });
    });
  });

  describe("of the same again", () => {
    it("changes nothing, not even the version", async () => {
      const first = await applyData("one", { x: "1" });
      const again = await applyData("one", { x: "1" });
      expect(again.status).toBe(200);
      expect(again.body).toEqual(first.body);
    });

    it("removes what the manager left out and nobody else owns", async () => {
      await applyData("one", { x: "1", y: "1" });
      const { body } = await applyData("one", { y: "1" });
      expect(body.data).toEqual({ y: "1" });
    });

    it("keeps what others own", async () => {
      await applyData("one", { x: "1", y: "1" });
      await applyData("two", { y: "1", z: "1" });
      const { body } = await applyData("one", { x: "1" });
      expect(body.data).toEqual({ x: "1", y: "1", z: "1" });
    });

    it("keeps what others set by update", async () => {
      await applyData("one", { x: "1" });
      await client.merge(`${map}?fieldManager=other`, { data: { z: "1" } });
      const { body } = await applyData("one", { x: "2" });
      expect(body.data).toEqual({ x: "2", z: "1" });
    });

    it("drops a manager who owns nothing any more", async () => {
      await applyData("one", { x: "1" });
      await applyData("two", { y: "1" });
      const { body } = await client.apply(map, "two", aConfigMap("a"));
      expect(managersOf(body)).toEqual(["one Apply"]);
      expect(body.data).toEqual({ x: "1" });
    });
  });

  describe("against other managers", () => {
    it("shares fields of the same value", async () => {
      await applyData("one", { x: "1" });
      const { status, body } = await applyData("two", { x: "1" });
      expect(status).toBe(200);
      expect(managersOf(body)).toEqual(["one Apply", "two Apply"]);
    });

    it("conflicts over another value, and names manager and field", async () => {
      await applyData("one", { x: "1" });
      const { body } = await applyData("two", { x: "2" });
      expect(body).toEqual({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        reason: "Conflict",
        message: 'Apply failed with 1 conflict: conflict with "one": .data.x',
        details: {
          causes: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.x" }],
        },
        code: 409,
      });
    });

    it("conflicts over each field, in any order of the managers", async () => {
      await applyData("one", { x: "1" });
      await applyData("two", { y: "1" });
      const { body } = await applyData("three", { x: "2", y: "2" });
      const byField = (body.details?.causes ?? []).toSorted((a, b) => (a.field ?? "").localeCompare(b.field ?? ""));
      expect(byField).toEqual([
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.x" },
        { reason: "FieldManagerConflict", message: 'conflict with "two"', field: ".data.y" },
      ]);
      expect(body.message).toContain("Apply failed with 2 conflicts: conflicts with");
    });

    it("says how and when an update set the value", async () => {
      await client.post(`${namespace.path}/configmaps?fieldManager=other`, aConfigMap("a", { data: { x: "1" } }));
      const { body } = await applyData("one", { x: "2" });
      expect(body.message).toMatch(/^Apply failed with 1 conflict: conflict with "other" using v1: \.data\.x$/);
    });

    it("takes the value by force", async () => {
      await applyData("one", { x: "1", y: "1" });
      const { body } = await applyData("two", { x: "2" }, "&force=true");
      expect(body.data).toEqual({ x: "2", y: "1" });
      expect(fieldsOf(body, "one")).toEqual({ "f:data": { "f:y": {} } });
      expect(fieldsOf(body, "two")).toEqual({ "f:data": { "f:x": {} } });
    });

    it("loses what an update changes", async () => {
      await applyData("one", { x: "1", y: "1" });
      const { body } = await client.merge(`${map}?fieldManager=other`, { data: { x: "2" } });
      expect(fieldsOf(body, "one")).toEqual({ "f:data": { "f:y": {} } });
      expect(fieldsOf(body, "other")).toEqual({ "f:data": { "f:x": {} } });
      expect((await applyData("one", { x: "3", y: "1" })).status).toBe(409);
    });

    it("is another manager than an update of the same name", async () => {
      await client.post(`${namespace.path}/configmaps?fieldManager=one`, aConfigMap("a", { data: { x: "1" } }));
      const { status, body } = await applyData("one", { x: "1" });
      expect(status).toBe(200);
      expect(managersOf(body)).toEqual(["one Apply", "one Update"]);
    });

    it("labels and annotations are owned one by one", async () => {
      const labelled = (labels: object): KubeJson =>
        aConfigMap("a", { metadata: { labels: labels as Record<string, string> } });
      await client.apply(map, "one", labelled({ x: "1" }));
      const { body } = await client.apply(map, "two", labelled({ y: "1" }));
      expect(body.metadata?.labels).toEqual({ x: "1", y: "1" });
      expect(fieldsOf(body, "two")).toEqual({ "f:metadata": { "f:labels": { "f:y": {} } } });
    });
  });

  describe("of lists and maps", () => {
    it("owns items of a list with keys one by one", async () => {
      await applySpec("one", { size: 1, ports: [{ name: "a", port: 1 }] });
      const { body } = await applySpec("two", { ports: [{ name: "b", port: 2 }] });
      expect((body.spec as { ports: object[] }).ports).toEqual([
        { name: "a", port: 1, protocol: "TCP" },
        { name: "b", port: 2, protocol: "TCP" },
      ]);
      expect(fieldsOf(body, "two")).toEqual({
        "f:spec": { "f:ports": { 'k:{"name":"b"}': { ".": {}, "f:name": {}, "f:port": {} } } },
      });
      const after = await client.apply(thing, "two", {
        apiVersion: things.apiVersion,
        kind: "Thing",
        metadata: { name: "a" },
      });
      expect((after.body.spec as { ports: object[] }).ports).toEqual([{ name: "a", port: 1, protocol: "TCP" }]);
    });

    it("conflicts within an item of a list with keys", async () => {
      await applySpec("one", { size: 1, ports: [{ name: "a", port: 1 }] });
      const { body } = await applySpec("two", { ports: [{ name: "a", port: 2 }] });
      expect(body.details?.causes).toEqual([
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: '.spec.ports[name="a"].port' },
      ]);
    });

    it("owns values of a set one by one", async () => {
      await applySpec("one", { size: 1, names: ["a", "b"] });
      const both = await applySpec("two", { names: ["b", "c"] });
      expect((both.body.spec as { names: string[] }).names.slice().sort()).toEqual(["a", "b", "c"]);
      const { body } = await applySpec("one", { size: 1, names: [] });
      expect((body.spec as { names: string[] }).names.slice().sort()).toEqual(["b", "c"]);
    });

    it("owns other lists as a whole", async () => {
      await applySpec("one", { size: 1, plain: ["a"] });
      const refused = await applySpec("two", { plain: ["a", "b"] });
      expect(refused.body.details?.causes).toEqual([
        { reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".spec.plain" },
      ]);
      const { body } = await applySpec("two", { plain: ["b"] }, "&force=true");
      expect(body.spec).toMatchObject({ plain: ["b"] });
    });

    it("owns atomic maps as a whole", async () => {
      await applySpec("one", { size: 1, whole: { a: "1" } });
      expect((await applySpec("two", { whole: { b: "1" } })).status).toBe(409);
      const { body } = await applySpec("two", { whole: { b: "1" } }, "&force=true");
      expect(body.spec).toMatchObject({ whole: { b: "1" } });
      expect((body.spec as { whole: object }).whole).not.toHaveProperty("a");
    });

    it("owns containers of a pod by name, and their ports by number and protocol", async () => {
      const path = `${namespace.path}/pods/a`;
      const containers = [{ name: "c", image: "i:1", ports: [{ containerPort: 80 }] }];
      const { status, body } = await client.apply(path, "one", aPod("a", { spec: { containers } }));
      expect(status).toBe(201);
      expect(fieldsOf(body, "one")).toEqual({
        "f:spec": {
          "f:schedulerName": {},
          "f:containers": {
            'k:{"name":"c"}': {
              ".": {},
              "f:name": {},
              "f:image": {},
              "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
            },
          },
        },
      });
    });

    it("owns conditions by type", async () => {
      await client.create(`${namespace.path}/pods`, aPod("a"));
      const path = `${namespace.path}/pods/a/status`;
      const condition = (type: string) => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "a" },
        status: { conditions: [{ type, status: "True" }] },
      });
      await client.apply(path, "one", condition("example.com/a"));
      const { status, body } = await client.apply(path, "two", condition("example.com/b"));
      expect(status).toBe(200);
      const { conditions } = body.status as { conditions: readonly { type: string }[] };
      expect(conditions.map(({ type }) => type)).toEqual(["example.com/a", "example.com/b"]);
      expect(managersOf(body)).toEqual(expect.arrayContaining(["one Apply status", "two Apply status"]));
    });

    it("owns finalizers one by one", async () => {
      const held = (...finalizers: string[]) => aConfigMap("a", { metadata: { finalizers } });
      await client.apply(map, "one", held("example.com/a"));
      const both = await client.apply(map, "two", held("example.com/b"));
      expect(both.body.metadata?.finalizers?.slice().sort()).toEqual(["example.com/a", "example.com/b"]);
      const { body } = await client.apply(map, "one", aConfigMap("a"));
      expect(body.metadata?.finalizers).toEqual(["example.com/b"]);
    });
  });

  describe("of a status", () => {
    it("leaves the spec alone and is owned apart", async () => {
      await applySpec("one", { size: 1 });
      const { status, body } = await client.apply(
        `${thing}/status`,
        "one",
        things.make("a", { status: { phase: "Ready" } }),
      );
      expect(status).toBe(200);
      expect(body).toMatchObject({ spec: { size: 1 }, status: { phase: "Ready" } });
      expect(managersOf(body)).toEqual(["one Apply", "one Apply status"]);
    });

    it("is not taken through the object", async () => {
      const { body } = await client.apply(thing, "one", things.make("a", { status: { phase: "Sneaked" } }));
      expect(body).not.toHaveProperty("status");
    });
  });

  describe("is refused", () => {
    it("without a field manager", async () => {
      const { body } = await client.send("PATCH", map, aConfigMap("a"), { contentType: patchTypes.apply });
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toBe(
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    });

    it.each([
      { name: "with managed fields", change: { metadata: { managedFields: [{}] } }, code: 400 },
      { name: "with another name", change: { metadata: { name: "b" } }, code: 400 },
      { name: "without a version of the API", change: { apiVersion: undefined }, code: 400 },
      { name: "with a stale version", change: { metadata: { resourceVersion: "1" } }, code: 409 },
      { name: "with another uid", change: { metadata: { uid: "other" } }, code: 422 },
    ])("$name", async ({ change, code }) => {
      await applyData("one", { x: "1" });
      const applied: KubeJson = { ...aConfigMap("a", { data: { x: "2" } }), ...(change as KubeJson) };
      const { status } = await client.apply(map, "one", {
        ...applied,
        metadata: { name: "a", ...applied.metadata },
      });
      expect(status).toBe(code);
    });

    it("with force, when it is another patch", async () => {
      await applyData("one", { x: "1" });
      const { body } = await client.merge(`${map}?force=true`, {});
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain("force: Forbidden: may not be specified for non-apply patch");
    });

    it.each([
      { name: "with a key twice", spec: { ports: [{ name: "a" }, { name: "a" }] }, message: ".spec.ports" },
      { name: "with a field of no schema", spec: { other: 1 }, message: ".spec.other: field not declared in schema" },
    ])("$name, as nobody could own it", async ({ spec, message }) => {
      const { body } = await applySpec("one", { size: 1, ...spec });
      expect(body).toMatchObject({ kind: "Status", status: "Failure", code: 500 });
      expect(body.message).toContain("failed to create typed patch object");
      expect(body.message).toContain(message);
    });
  });

  it("is understood as YAML", async () => {
    const { status, body } = await client.raw({
      method: "PATCH",
      path: `${map}?fieldManager=one`,
      headers: { "content-type": patchTypes.apply },
      body: "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: '1'\n",
    });
    expect({ status, data: body.data }).toEqual({ status: 201, data: { x: "1" } });
  });

  it("goes on from an object that was created before", async () => {
    const created = await client.create(`${namespace.path}/configmaps`, aConfigMap("a", { data: { x: "1" } }));
    const { body } = await applyData("one", { y: "1" });
    expect(body.data).toEqual({ x: "1", y: "1" });
    expect(Number(versionOf(body))).toBeGreaterThan(Number(versionOf(created)));
  });
});
