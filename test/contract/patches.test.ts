import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { versionOf, type Client } from "./client.ts";
import { aConfigMap, aPod, aWorkload, sharedThings, type Things } from "./objects.ts";

describeApi("patches", (api) => {
  let client: Client;
  let things: Things;
  let namespace: { readonly name: string; readonly path: string };
  let map: string;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
    map = `${namespace.path}/configmaps/a`;
    const annotations = { "example.com/a": "1" };
    await client.create(
      `${namespace.path}/configmaps`,
      aConfigMap("a", { data: { x: "1", y: "1" }, metadata: { annotations } }),
    );
  });

  describe("JSON patch", () => {
    it.each([
      { name: "replaces", patch: [{ op: "replace", path: "/data/x", value: "2" }], want: { x: "2", y: "1" } },
      { name: "adds", patch: [{ op: "add", path: "/data/z", value: "3" }], want: { x: "1", y: "1", z: "3" } },
      {
        name: "adds over what is there",
        patch: [{ op: "add", path: "/data/x", value: "3" }],
        want: { x: "3", y: "1" },
      },
      { name: "removes", patch: [{ op: "remove", path: "/data/x" }], want: { y: "1" } },
      { name: "moves", patch: [{ op: "move", from: "/data/x", path: "/data/z" }], want: { y: "1", z: "1" } },
      { name: "copies", patch: [{ op: "copy", from: "/data/x", path: "/data/z" }], want: { x: "1", y: "1", z: "1" } },
      {
        name: "tests before it changes",
        patch: [
          { op: "test", path: "/data/x", value: "1" },
          { op: "replace", path: "/data/x", value: "2" },
        ],
        want: { x: "2", y: "1" },
      },
      {
        name: "finds keys with slashes",
        patch: [
          { op: "test", path: "/metadata/annotations/example.com~1a", value: "1" },
          { op: "remove", path: "/data/y" },
        ],
        want: { x: "1" },
      },
      {
        name: "adds what it should replace and is not there",
        patch: [{ op: "replace", path: "/data/z", value: "3" }],
        want: { x: "1", y: "1", z: "3" },
      },
      { name: "of nothing changes nothing", patch: [], want: { x: "1", y: "1" } },
    ])("$name", async ({ patch, want }) => {
      const { status, body } = await client.patch("json", map, patch);
      expect({ status, data: body.data }).toEqual({ status: 200, data: want });
    });

    it("appends to a list and inserts into it", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a", { spec: { size: 1, plain: ["b"] } }));
      const { body } = await client.patch("json", `${path}/a`, [
        { op: "add", path: "/spec/plain/-", value: "c" },
        { op: "add", path: "/spec/plain/0", value: "a" },
      ]);
      expect(body.spec).toMatchObject({ plain: ["a", "b", "c"] });
    });

    it.each([
      { name: "a test that fails", patch: [{ op: "test", path: "/data/x", value: "9" }] },
      { name: "a removal of what is not there", patch: [{ op: "remove", path: "/data/nothing" }] },
      { name: "a parent that is not there", patch: [{ op: "add", path: "/nothing/x", value: "1" }] },
    ])("refuses $name, and changes nothing", async ({ patch }) => {
      const before = await client.get(map);
      const { status, body } = await client.patch("json", map, [{ op: "add", path: "/data/q", value: "1" }, ...patch]);
      expect(status).toBe(422);
      expect(body).toMatchObject({ kind: "Status", reason: "Invalid", code: 422 });
      expect(body.message).toContain("the server rejected our request due to an error in our request");
      expect((await client.get(map)).body).toEqual(before.body);
    });

    it.each([
      { name: "no list", patch: {} },
      { name: "an unknown operation", patch: [{ op: "jump", path: "/data/x" }], code: 422 },
    ])("refuses $name", async ({ patch, code = 400 }) => {
      const { status } = await client.patch("json", map, patch);
      expect(status).toBe(code);
    });
  });

  describe("merge patch", () => {
    it.each([
      { name: "sets, adds and removes", patch: { data: { x: null, y: "2", z: "3" } }, want: { y: "2", z: "3" } },
      { name: "of nothing changes nothing", patch: {}, want: { x: "1", y: "1" } },
      { name: "removes all", patch: { data: null }, want: undefined },
      { name: "ignores the removal of what is not there", patch: { data: { q: null } }, want: { x: "1", y: "1" } },
    ])("$name", async ({ patch, want }) => {
      const { status, body } = await client.merge(map, patch);
      expect({ status, data: body.data }).toEqual({ status: 200, data: want });
    });

    it("replaces lists as a whole", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a", { spec: { size: 1, ports: [{ name: "p" }, { name: "q" }] } }));
      const { body } = await client.merge(`${path}/a`, { spec: { ports: [{ name: "r" }] } });
      expect(body.spec).toMatchObject({ ports: [{ name: "r", protocol: "TCP" }] });
    });

    it("refuses what is no object", async () => {
      expect((await client.merge(map, ["x"])).status).toBe(400);
    });

    it("removes single finalizers only by the whole list", async () => {
      const finalizers = ["example.com/a", "example.com/b"];
      await client.merge(map, { metadata: { finalizers } });
      const { body } = await client.merge(map, { metadata: { finalizers: ["example.com/b"] } });
      expect(body.metadata?.finalizers).toEqual(["example.com/b"]);
    });
  });

  describe("strategic merge patch", () => {
    let pods: string;
    let sets: string;
    beforeEach(() => {
      pods = `${namespace.path}/pods`;
      sets = `/apis/apps/v1/namespaces/${namespace.name}/statefulsets`;
    });

    it("merges containers by name", async () => {
      const containers = [
        { name: "a", image: "i:1" },
        { name: "b", image: "i:1" },
      ];
      await client.create(pods, aPod("a", { spec: { containers } }));
      const { body } = await client.patch("strategic", `${pods}/a`, {
        spec: { containers: [{ name: "b", image: "i:2" }] },
      });
      expect(body.spec).toMatchObject({
        containers: [
          { name: "a", image: "i:1" },
          { name: "b", image: "i:2" },
        ],
      });
    });

    it("merges conditions by type", async () => {
      await client.create(pods, aPod("a"));
      const set = (type: string, status: string) =>
        client.patch("strategic", `${pods}/a/status`, { status: { conditions: [{ type, status }] } });
      await set("example.com/a", "True");
      await set("example.com/b", "True");
      const { body } = await set("example.com/a", "False");
      const { conditions } = body.status as { conditions: readonly { type: string; status: string }[] };
      expect(conditions.map(({ type, status }) => `${type} ${status}`).sort()).toEqual([
        "example.com/a False",
        "example.com/b True",
      ]);
    });

    it("merges environment and volumes of a template, and deletes by directive", async () => {
      const container = {
        name: "c",
        image: "i:1",
        env: [
          { name: "A", value: "1" },
          { name: "B", value: "1" },
        ],
      };
      const spec = {
        containers: [container],
        volumes: [
          { name: "v", emptyDir: {} },
          { name: "w", emptyDir: {} },
        ],
      };
      await client.create(
        sets,
        aWorkload("StatefulSet", "a", { template: { metadata: { labels: { app: "a" } }, spec } }),
      );
      const { status, body } = await client.patch("strategic", `${sets}/a`, {
        spec: {
          template: {
            spec: {
              containers: [
                {
                  name: "c",
                  env: [
                    { name: "A", $patch: "delete" },
                    { name: "C", value: "3" },
                  ],
                },
              ],
              volumes: [{ name: "v", $patch: "delete" }],
            },
          },
        },
      });
      expect(status).toBe(200);
      const after = (
        body.spec as { template: { spec: { containers: { env: { name: string }[] }[]; volumes: { name: string }[] } } }
      ).template.spec;
      expect(after.containers[0]?.env.map(({ name }) => name).sort()).toEqual(["B", "C"]);
      expect(after.volumes.map(({ name }) => name)).toEqual(["w"]);
    });

    it("replaces a list or a map by directive", async () => {
      await client.create(pods, aPod("a", { metadata: { labels: { x: "1", y: "1" } } }));
      const { body } = await client.patch("strategic", `${pods}/a`, {
        metadata: { labels: { $patch: "replace", z: "1" } },
      });
      expect(body.metadata?.labels).toEqual({ z: "1" });
    });

    it("adds finalizers, and removes them by directive", async () => {
      await client.patch("strategic", map, { metadata: { finalizers: ["example.com/a"] } });
      const both = await client.patch("strategic", map, { metadata: { finalizers: ["example.com/b"] } });
      expect(both.body.metadata?.finalizers?.slice().sort()).toEqual(["example.com/a", "example.com/b"]);
      const one = await client.patch("strategic", map, {
        metadata: { "$deleteFromPrimitiveList/finalizers": ["example.com/a"] },
      });
      expect(one.body.metadata?.finalizers).toEqual(["example.com/b"]);
    });

    it("orders a list by directive, as kubectl apply asks", async () => {
      const containers = [
        { name: "a", image: "i:1" },
        { name: "b", image: "i:1" },
      ];
      await client.create(
        sets,
        aWorkload("StatefulSet", "a", { template: { metadata: { labels: { app: "a" } }, spec: { containers } } }),
      );
      const order = { "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }] };
      const { body } = await client.patch("strategic", `${sets}/a`, {
        spec: { template: { spec: { ...order, containers: [{ name: "c", image: "i:3" }] } } },
      });
      const after = (body.spec as { template: { spec: { containers: { name: string }[] } } }).template.spec.containers;
      expect(after.map(({ name }) => name)).toEqual(["b", "c", "a"]);
    });

    it("replaces taints of a node by key, and its pod CIDRs as a set", async () => {
      const name = `node-${namespace.name}`;
      await client.create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
      const taint = (value: string) => ({ key: "k", value, effect: "NoSchedule" });
      await client.patch("strategic", `/api/v1/nodes/${name}`, {
        spec: { taints: [taint("1"), { ...taint("1"), key: "l" }] },
      });
      const { body } = await client.patch("strategic", `/api/v1/nodes/${name}`, { spec: { taints: [taint("2")] } });
      expect(body.spec).toMatchObject({ taints: [taint("2")] });
    });

    it("is not for custom resources", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a"));
      const { body } = await client.patch("strategic", `${path}/a`, { spec: { size: 2 } });
      expect(body).toMatchObject({ code: 415, reason: "UnsupportedMediaType" });
      expect(body.message).toContain(
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
      );
    });
  });

  describe("all", () => {
    it.each([{ type: "json" as const }, { type: "merge" as const }, { type: "strategic" as const }])(
      "are 404 for what is not there: $type",
      async ({ type }) => {
        const { body } = await client.patch(type, `${map}-none`, type === "json" ? [] : {});
        expect(body).toMatchObject({ code: 404, reason: "NotFound", message: 'configmaps "a-none" not found' });
      },
    );

    it("conflict on the version that they name, if they do", async () => {
      const { body } = await client.get(map);
      const good = await client.merge(map, { metadata: { resourceVersion: versionOf(body) }, data: { x: "2" } });
      expect(good.status).toBe(200);
      const stale = await client.merge(map, { metadata: { resourceVersion: versionOf(body) }, data: { x: "3" } });
      expect(stale.body).toMatchObject({ code: 409, reason: "Conflict" });
      const byJson = await client.patch("json", map, [
        { op: "replace", path: "/metadata/resourceVersion", value: versionOf(body) },
        { op: "replace", path: "/data/x", value: "3" },
      ]);
      expect(byJson.status).toBe(409);
    });

    it("are refused for another uid", async () => {
      const { body } = await client.merge(map, { metadata: { uid: "other" }, data: { x: "3" } });
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain('metadata.uid: Invalid value: "other": field is immutable');
    });

    it("cannot rename", async () => {
      const { status } = await client.merge(map, { metadata: { name: "b" } });
      expect(status).toBe(400);
    });

    it("lose nothing of each other when they come at once", async () => {
      const keys = Array.from({ length: 5 }, (_, index) => `k${index}`);
      await Promise.all(keys.map((key) => client.merge(map, { data: { [key]: "1" } })));
      expect(Object.keys((await client.get(map)).body.data as object)).toEqual(expect.arrayContaining(keys));
    });

    it("of an unknown type are 415", async () => {
      const { body } = await client.send("PATCH", map, {}, { contentType: "application/json" });
      expect(body).toMatchObject({
        code: 415,
        reason: "UnsupportedMediaType",
        message: "415: Unsupported Media Type",
      });
    });

    it("have their field manager recorded", async () => {
      const { body } = await client.merge(`${map}?fieldManager=me`, { data: { z: "1" } });
      expect(body.metadata?.managedFields).toContainEqual(
        expect.objectContaining({ manager: "me", operation: "Update", fieldsV1: { "f:data": { "f:z": {} } } }),
      );
    });

    it("are validated as the whole that they make", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a"));
      const { body } = await client.merge(`${path}/a`, { spec: { size: 0 } });
      expect(body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field: "spec.size" }] } });
    });
  });
});
