import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { shown, tableAccept, versionOf, type Client, type WatchLine } from "./client.ts";
import { aConfigMap, aPod, sharedThings } from "./objects.ts";

const many =
  (count: number) =>
  (lines: readonly WatchLine[]): boolean =>
    lines.length === count;

describeApi("watches", (api) => {
  let client: Client;
  let namespace: string;
  let pods: string;
  beforeAll(() => {
    client = api.client;
  });
  beforeEach(async () => {
    const made = await client.namespace();
    namespace = made.name;
    pods = `${made.path}/pods`;
  });
  const label = (name: string, labels: object | null) => client.merge(`${pods}/${name}`, { metadata: { labels } });
  const now = async (): Promise<string> => versionOf((await client.get(pods)).body);

  describe("of a collection", () => {
    it("show everything after a version, in order", async () => {
      const created = await client.create(pods, aPod("a"));
      await label("a", { x: "1" });
      await client.delete(`${pods}/a`);
      await client.create(pods, aPod("b"));
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${versionOf(created)}`, many(4));
      expect(shown(lines)).toEqual(["MODIFIED a", "MODIFIED a", "DELETED a", "ADDED b"]);
      const versions = lines.map(({ object }) => Number(versionOf(object)));
      expect(versions).toEqual([...new Set(versions)].sort((left, right) => left - right));
    });

    it("carry whole objects with kind and version", async () => {
      const version = await now();
      const created = await client.create(pods, aPod("a"));
      const [line] = await client.watch(`${pods}?watch=true&resourceVersion=${version}`, many(1));
      expect(line).toEqual({ type: "ADDED", object: created });
      expect(line?.object).toMatchObject({ kind: "Pod", apiVersion: "v1" });
    });

    it.each([{ query: "watch=1" }, { query: "watch=1&resourceVersion=0" }])(
      "begin with what is there when asked with $query",
      async ({ query }) => {
        await client.create(pods, aPod("a"));
        const created = await client.create(pods, aPod("b"));
        await client.eventually(`${pods}?resourceVersion=0`, ({ body }) => body.items?.length === 2);
        const watching = client.watch(`${pods}?${query}`, many(3));
        await client.create(pods, aPod("c"));
        const lines = await watching;
        expect(shown(lines).slice().sort()).toEqual(["ADDED a", "ADDED b", "ADDED c"]);
        expect(lines.find(({ object }) => object.metadata?.name === "b")?.object).toEqual(created);
      },
    );

    it("show nothing for writes that change nothing", async () => {
      const created = await client.create(pods, aPod("a", { metadata: { labels: { x: "1" } } }));
      await label("a", { x: "1" });
      await client.put(`${pods}/a`, created);
      await client.create(pods, aPod("b"));
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${versionOf(created)}`, many(1));
      expect(shown(lines)).toEqual(["ADDED b"]);
    });

    it("show changes of the status", async () => {
      const created = await client.create(pods, aPod("a"));
      await client.merge(`${pods}/a/status`, { status: { phase: "Running" } });
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${versionOf(created)}`, many(1));
      expect(lines).toMatchObject([{ type: "MODIFIED", object: { status: { phase: "Running" } } }]);
    });

    it("show the end of a pod that goes at once as a change and an end", async () => {
      const created = await client.create(pods, aPod("a", { metadata: { labels: { x: "1" } } }));
      await client.delete(`${pods}/a`);
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${versionOf(created)}`, many(2));
      const metadata = {
        labels: { x: "1" },
        generation: 2,
        deletionGracePeriodSeconds: 0,
        deletionTimestamp: expect.any(String),
      };
      expect(lines).toMatchObject([
        { type: "MODIFIED", object: { metadata } },
        { type: "DELETED", object: { metadata } },
      ]);
    });

    it("show the last state of another object that goes at once, at the version of its end", async () => {
      const maps = pods.replace(/pods$/, "configmaps");
      const created = await client.create(maps, aConfigMap("a", { metadata: { labels: { x: "1" } } }));
      await client.delete(`${maps}/a`);
      const path = `${maps}?watch=1&labelSelector=x&resourceVersion=${versionOf(created)}`;
      const [line] = await client.watch(path, many(1));
      expect(line).toMatchObject({ type: "DELETED", object: { metadata: { labels: { x: "1" } } } });
      expect(line?.object.metadata).not.toHaveProperty("deletionTimestamp");
      expect(Number(versionOf(line?.object ?? {}))).toBeGreaterThan(Number(versionOf(created)));
    });

    it("show a deletion that waits for a finalizer as a change, then as one", async () => {
      const created = await client.create(pods, aPod("a", { metadata: { finalizers: ["x.example.com/y"] } }));
      await client.delete(`${pods}/a`);
      await client.merge(`${pods}/a`, { metadata: { finalizers: null } });
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${versionOf(created)}`, many(2));
      expect(lines).toMatchObject([
        {
          type: "MODIFIED",
          object: { metadata: { deletionTimestamp: expect.any(String), finalizers: ["x.example.com/y"] } },
        },
        { type: "DELETED", object: { metadata: { deletionTimestamp: expect.any(String) } } },
      ]);
    });

    it("see one namespace or all", async () => {
      const other = await client.namespace();
      const version = await now();
      await client.create(`${other.path}/pods`, aPod("elsewhere"));
      await client.create(pods, aPod("here"));
      const one = await client.watch(`${pods}?watch=1&resourceVersion=${version}`, many(1));
      expect(shown(one)).toEqual(["ADDED here"]);
      const all = await client.watch(`/api/v1/pods?watch=1&resourceVersion=${version}`, many(2));
      expect(shown(all)).toEqual(["ADDED elsewhere", "ADDED here"]);
    });

    it("of one name see only that", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      await client.create(pods, aPod("b"));
      const lines = await client.watch(
        `${pods}?watch=1&fieldSelector=metadata.name%3Db&resourceVersion=${version}`,
        many(1),
      );
      expect(shown(lines)).toEqual(["ADDED b"]);
    });
  });

  describe("with a selector", () => {
    it("show an object that enters or leaves by labels as ADDED or DELETED", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      await label("a", { on: "1" });
      await label("a", { more: "1" });
      const left = await label("a", { on: null });
      await label("a", { more: "2" });
      await client.delete(`${pods}/a`);
      await client.create(pods, aPod("b", { metadata: { labels: { on: "1" } } }));
      const lines = await client.watch(`${pods}?watch=1&labelSelector=on&resourceVersion=${version}`, many(4));
      expect(shown(lines)).toEqual(["ADDED a", "MODIFIED a", "DELETED a", "ADDED b"]);
      expect(lines[2]?.object.metadata).toMatchObject({
        labels: { on: "1", more: "1" },
        resourceVersion: versionOf(left.body),
      });
    });

    it("show an object that enters or leaves by a field as ADDED or DELETED", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      await client.merge(`${pods}/a/status`, { status: { phase: "Running" } });
      await client.merge(`${pods}/a/status`, { status: { phase: "Failed" } });
      const lines = await client.watch(
        `${pods}?watch=1&fieldSelector=status.phase%3DRunning&resourceVersion=${version}`,
        many(2),
      );
      expect(shown(lines)).toEqual(["ADDED a", "DELETED a"]);
    });

    it("show a pod on its node once it is bound", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      const target = { apiVersion: "v1", kind: "Node", name: `n-${namespace}` };
      await client.create(`${pods}/a/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name: "a" }, target });
      const lines = await client.watch(
        `/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn-${namespace}&resourceVersion=${version}`,
        many(1),
      );
      expect(lines).toMatchObject([{ type: "ADDED", object: { spec: { nodeName: `n-${namespace}` } } }]);
    });
  });

  describe("with initial events", () => {
    const query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";

    it("end them with a bookmark, then go on", async () => {
      await client.create(pods, aPod("a"));
      const created = await client.create(pods, aPod("b"));
      const isBookmark = ({ type }: WatchLine) => type === "BOOKMARK";
      const ended: string[] = [];
      const watching = client.watch(`${pods}?${query}&resourceVersion=`, (lines) => {
        if (lines.some(isBookmark)) ended.push("bookmark");
        return lines.some(({ object }) => object.metadata?.name === "c");
      });
      const endMs = Date.now() + 5_000;
      while (ended.length === 0 && Date.now() < endMs) await client.get(pods);
      await client.create(pods, aPod("c"));
      const lines = await watching;
      expect(shown(lines)).toEqual(["ADDED a", "ADDED b", "BOOKMARK ", "ADDED c"]);
      const bookmark = lines.find(isBookmark);
      expect(bookmark).toMatchObject({
        object: { kind: "Pod", apiVersion: "v1", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } },
      });
      expect(Number(versionOf(bookmark?.object ?? {}))).toBeGreaterThanOrEqual(Number(versionOf(created)));
    });

    it("mark the end of nothing, too", async () => {
      const lines = await client.watch(`${pods}?${query}`, many(1));
      expect(lines).toMatchObject([
        { type: "BOOKMARK", object: { metadata: { annotations: { "k8s.io/initial-events-end": "true" } } } },
      ]);
    });

    it("must say that no older version will do", async () => {
      const { body } = await client.refusedWatch(`${pods}?watch=1&sendInitialEvents=true`);
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    });

    it("are for watches only", async () => {
      const { body } = await client.get(`${pods}?sendInitialEvents=true&resourceVersionMatch=NotOlderThan`);
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain("sendInitialEvents is forbidden for list");
    });
  });

  describe("end", () => {
    it("with status 200 when their time is over, after bookmarks at most", async () => {
      const created = await client.create(pods, aPod("a"));
      await client.create(pods, aPod("b"));
      const path = `${pods}?watch=1&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=${versionOf(created)}`;
      const [added, ...bookmarks] = await client.watch(path);
      expect(added).toMatchObject({ type: "ADDED", object: { metadata: { name: "b" } } });
      const least = Number(versionOf(added?.object ?? {}));
      for (const { type, object } of bookmarks) {
        expect(type).toBe("BOOKMARK");
        expect(Number(versionOf(object))).toBeGreaterThanOrEqual(least);
      }
    });

    it("after their time without bookmarks for who wants none", async () => {
      const version = await now();
      expect(await client.watch(`${pods}?watch=1&timeoutSeconds=1&resourceVersion=${version}`)).toEqual([]);
    });

    it("at once with an ERROR of code 410 when their version is too old", async () => {
      // Of a kind that came later than that version, so that no API server can have it.
      const things = await sharedThings(client);
      api.compact();
      const lines = await client.watch(`${things.pathIn(namespace)}?watch=1&resourceVersion=1`);
      expect(lines).toEqual([
        {
          type: "ERROR",
          object: {
            kind: "Status",
            apiVersion: "v1",
            metadata: {},
            status: "Failure",
            message: expect.stringMatching(/^too old resource version: 1 \(\d+\)$/),
            reason: "Expired",
            code: 410,
          },
        },
      ]);
    });

    it("before they begin when a field cannot be selected", async () => {
      const { body } = await client.refusedWatch(`${pods}?watch=1&fieldSelector=spec.x%3D1`);
      expect(body).toMatchObject({ code: 400, reason: "BadRequest" });
    });
  });

  describe("in other forms", () => {
    it("carry only metadata", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
      const [line] = await client.watch(`${pods}?watch=1&resourceVersion=${version}`, many(1), accept);
      expect(line?.object).toMatchObject({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" });
      expect(line?.object).not.toHaveProperty("spec");
    });

    it("are tables whose columns come with the first event only", async () => {
      const version = await now();
      await client.create(pods, aPod("a"));
      await client.create(pods, aPod("b"));
      const lines = await client.watch(`${pods}?watch=1&resourceVersion=${version}`, many(2), tableAccept);
      expect(lines).toMatchObject([
        {
          type: "ADDED",
          object: {
            kind: "Table",
            columnDefinitions: [{ name: "Name" }, { name: "Ready" }, {}, {}, {}, {}, {}, {}, {}],
          },
        },
        {
          type: "ADDED",
          object: {
            kind: "Table",
            columnDefinitions: null,
            rows: [{ cells: ["b", "0/1", "Pending", "0", "0s", "<none>", "<none>", "<none>", "<none>"] }],
          },
        },
      ]);
    });
  });

  describe("of other kinds", () => {
    it("show custom resources", async () => {
      const things = await sharedThings(client);
      const path = things.pathIn(namespace);
      const version = versionOf((await client.get(path)).body);
      await client.createByApply(path, things.make("a"));
      await client.merge(`${path}/a/status`, { status: { phase: "Ready" } });
      await client.delete(`${path}/a`);
      const lines = await client.watch(`${path}?watch=1&resourceVersion=${version}`, many(3));
      expect(shown(lines)).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
      expect(lines[1]?.object).toMatchObject({ kind: "Thing", status: { phase: "Ready" } });
    });

    it("show cluster-scoped objects", async () => {
      const version = versionOf((await client.get("/api/v1/nodes")).body);
      const name = `node-${namespace}`;
      await client.create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
      const lines = await client.watch(`/api/v1/nodes?watch=1&resourceVersion=${version}`, many(1));
      expect(shown(lines)).toEqual([`ADDED ${name}`]);
    });

    it("show a page of changes that came while nobody watched", async () => {
      const maps = pods.replace(/pods$/, "configmaps");
      const version = await now();
      const names = Array.from({ length: 50 }, (_, index) => `m-${String(index).padStart(2, "0")}`);
      for (const name of names) await client.create(maps, aConfigMap(name, { metadata: { labels: { page: "1" } } }));
      const lines = await client.watch(`${maps}?watch=1&labelSelector=page&resourceVersion=${version}`, many(50));
      expect(shown(lines)).toEqual(names.map((name) => `ADDED ${name}`));
    });
  });
});
