import FakeTimers from "@sinonjs/fake-timers";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { aConfigMap, aCrd, aPod, aThing, TestClient, type TestAnswer, type WatchLine } from "./test-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
let client: TestClient;

beforeEach(() => {
  client = new TestClient();
});
afterEach(() => {
  client.server.close();
});

const namesOf = (answer: TestAnswer) => (answer.body.items ?? []).map((item) => item.metadata?.name);
const shown = (events: readonly WatchLine[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`);

describe("list", () => {
  beforeEach(async () => {
    await client.post(pods, aPod("a", { metadata: { labels: { app: "x", tier: "1" } } }));
    await client.post(pods, aPod("b", { metadata: { labels: { app: "y" } } }));
    await client.post(pods, aPod("c", { spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] } }));
  });

  it.each([
    { query: "", want: ["a", "b", "c"] },
    { query: "labelSelector=app%3Dx", want: ["a"] },
    { query: "labelSelector=app", want: ["a", "b"] },
    { query: "labelSelector=!app", want: ["c"] },
    { query: "labelSelector=app!%3Dx", want: ["b", "c"] },
    { query: "labelSelector=app+in+(x,y),tier!%3D1", want: ["b"] },
    { query: "labelSelector=app+notin+(x)", want: ["b", "c"] },
    { query: "labelSelector=tier%3E0", want: ["a"] },
    { query: "fieldSelector=metadata.name%3Db", want: ["b"] },
    { query: "fieldSelector=spec.nodeName%3Dn1", want: ["c"] },
    { query: "fieldSelector=spec.nodeName!%3Dn1,status.phase%3DPending", want: ["a", "b"] },
    { query: "fieldSelector=metadata.namespace%3Dother", want: [] },
  ])("selects $want by '$query'", async ({ query, want }) => {
    const answer = await client.get(`${pods}?${query}`);
    expect(answer.body).toMatchObject({ kind: "PodList", apiVersion: "v1" });
    expect(namesOf(answer)).toEqual(want);
    expect(namesOf(await client.get(`/api/v1/pods?${query}`))).toEqual(want);
  });

  it.each([
    { query: "fieldSelector=spec.unknown%3Dx", code: 400 },
    { query: "labelSelector=a%3D%3D%3Db%20c", code: 400 },
    { query: "resourceVersion=x", code: 400 },
    { query: "resourceVersion=99999", code: 504 },
    { query: "resourceVersion=1&resourceVersionMatch=Exact", code: 410 },
    { query: "continue=abc", code: 400 },
  ])("answers $code to '$query'", async ({ query, code }) => {
    expect((await client.get(`${pods}?${query}`)).body).toMatchObject({ kind: "Status", code });
  });

  it("pages over one moment, whatever happens between the pages, until it is compacted", async () => {
    const first = await client.get(`${pods}?limit=1`);
    const listMeta = first.body.metadata as { continue: string; resourceVersion: string };
    expect(listMeta).toMatchObject({ remainingItemCount: 2 });
    await client.delete(`${pods}/b`);
    const second = await client.get(`${pods}?limit=5&continue=${listMeta.continue}`);
    expect(namesOf(second)).toEqual(["b", "c"]);
    expect(second.body.metadata).toEqual({ resourceVersion: listMeta.resourceVersion });
    client.server.compact();
    expect((await client.get(`${pods}?limit=5&continue=${listMeta.continue}`)).body).toMatchObject({
      code: 410,
      reason: "Expired",
    });
  });

  it("goes on at the newest version, after the last object, with the token that comes with a 410", async () => {
    const first = await client.get(`${pods}?limit=1`);
    const old = (first.body.metadata as { continue: string }).continue;
    client.server.compact();
    await client.post(pods, aPod("aa"));
    const refused = await client.get(`${pods}?limit=5&continue=${old}`);
    expect(refused.body).toMatchObject({ code: 410, reason: "Expired" });
    const fresh = (refused.body.metadata as { continue: string }).continue;
    expect(namesOf(await client.get(`${pods}?limit=5&continue=${fresh}`))).toEqual(["aa", "b", "c"]);
  });

  it("has items that say what they are only for custom resources", async () => {
    await client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", aCrd());
    const things = "/apis/example.com/v1/namespaces/default/things";
    await client.post(things, aThing("a"));
    expect((await client.get(things)).body.items).toMatchObject([{ kind: "Thing", apiVersion: "example.com/v1" }]);
    const [pod] = (await client.get(pods)).body.items ?? [];
    expect(pod).not.toHaveProperty("kind");
    expect((await client.get(`${pods}/a`)).body.kind).toBe("Pod");
  });

  it("selects custom resources by their selectable fields", async () => {
    await client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", aCrd());
    const things = "/apis/example.com/v1/namespaces/default/things";
    await client.post(things, aThing("a"));
    await client.post(things, aThing("b", { spec: { size: 1, color: "Blue" } }));
    expect(namesOf(await client.get(`${things}?fieldSelector=spec.color%3DBlue`))).toEqual(["b"]);
  });
});

describe("watch", () => {
  it("shows everything after a version, in order, and ends with the client", async () => {
    const { body } = await client.post(maps, aConfigMap("a"));
    await client.merge(`${maps}/a`, { data: { x: "1" } });
    await client.delete(`${maps}/a`);
    await client.post(maps, aConfigMap("b"));
    const path = `${maps}?watch=1&resourceVersion=${body.metadata?.resourceVersion ?? ""}`;
    const events = await client.watch(path, (seen) => seen.length === 3);
    expect(shown(events)).toEqual(["MODIFIED a", "DELETED a", "ADDED b"]);
    const versions = events.map(({ object }) => Number(object.metadata?.resourceVersion));
    expect(versions).toEqual([...versions].sort((left, right) => left - right));
  });

  it("begins with what is there when no version is given", async () => {
    await client.post(maps, aConfigMap("a"));
    expect(shown(await client.watch(`${maps}?watch=true`, (seen) => seen.length === 1))).toEqual(["ADDED a"]);
  });

  it("shows later changes to a waiting client", async () => {
    const watching = client.watch(`${maps}?watch=1&resourceVersion=0`, (seen) => seen.length === 1);
    await client.post(maps, aConfigMap("a"));
    expect(shown(await watching)).toEqual(["ADDED a"]);
  });

  it("shows an object that enters or leaves the selection as ADDED or DELETED", async () => {
    const start = client.server.stats().revision;
    await client.post(maps, aConfigMap("a"));
    await client.merge(`${maps}/a`, { metadata: { labels: { on: "1" } } });
    await client.merge(`${maps}/a`, { data: { x: "1" } });
    await client.merge(`${maps}/a`, { metadata: { labels: { on: null } } });
    await client.merge(`${maps}/a`, { data: { x: "2" } });
    const events = await client.watch(
      `${maps}?watch=1&labelSelector=on&resourceVersion=${start}`,
      (seen) => seen.length === 3,
    );
    expect(shown(events)).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
    expect(events[2]?.object.metadata?.labels).toEqual({ on: "1" });
  });

  it("tells a version that has left the log as an ERROR event of code 410", async () => {
    client.server.close();
    client = new TestClient({ watchLogSize: 5 });
    for (const name of ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]) await client.post(maps, aConfigMap(name));
    const events = await client.watch(`${maps}?watch=1&resourceVersion=5`);
    expect(events).toMatchObject([{ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } }]);
  });

  it("ends a list with a bookmark when asked for initial events", async () => {
    await client.post(maps, aConfigMap("a"));
    const query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    const events = await client.watch(`${maps}?${query}`, (seen) => seen.length === 2);
    expect(events).toMatchObject([
      { type: "ADDED" },
      {
        type: "BOOKMARK",
        object: { kind: "ConfigMap", metadata: { annotations: { "k8s.io/initial-events-end": "true" } } },
      },
    ]);
  });

  it("sends bookmarks every minute and shortly before the end", async () => {
    const timers = FakeTimers.createClock();
    const clock = {
      now: () => timers.now,
      monotonic: () => timers.now,
      sleep: (ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve, reject) => {
          timers.setTimeout(() => {
            resolve();
          }, ms);
          signal?.addEventListener("abort", () => {
            reject(new DOMException("aborted", "AbortError"));
          });
        }),
    };
    client.server.close();
    client = new TestClient({ clock });
    const path = `${maps}?watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=150`;
    const times: number[] = [];
    const events: WatchLine[] = [];
    const transport = client.server.transport();
    const watching = transport.stream(
      { method: "GET", path },
      (event) => {
        times.push(timers.now / 1_000);
        events.push(event as WatchLine);
      },
      new AbortController().signal,
    );
    await client.post(pods, aPod("elsewhere"));
    await timers.tickAsync(200_000);
    expect((await watching).status).toBe(200);
    expect(times).toEqual([60, 120, 148]);
    expect(events).toMatchObject([{ type: "BOOKMARK" }, { type: "BOOKMARK" }, { type: "BOOKMARK" }]);
    expect(events[0]?.object.metadata?.resourceVersion).toBe(client.server.stats().revision.toString());
  });
});

describe("forms and documents", () => {
  const ask = async (path: string, accept: string) => {
    const answer = await client.server
      .transport()
      .request({ method: "GET", path, headers: { accept } }, AbortSignal.timeout(1_000));
    return answer.body as Record<string, unknown>;
  };

  it("shows tables and bare metadata when the client prefers them", async () => {
    await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    const table = await ask(maps, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    expect(table).toMatchObject({ kind: "Table", rows: [{ cells: ["a", 1, expect.anything()] }] });
    const partial = await ask(maps, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    expect(partial).toMatchObject({ kind: "PartialObjectMetadataList", items: [{ kind: "PartialObjectMetadata" }] });
  });

  it.each([
    { path: "/api", want: { kind: "APIVersions", versions: ["v1"] } },
    { path: "/apis", want: { kind: "APIGroupList" } },
    { path: "/apis/apps", want: { kind: "APIGroup", name: "apps" } },
    { path: "/apis/apps/v1", want: { kind: "APIResourceList", groupVersion: "apps/v1" } },
    { path: "/api/v1", want: { kind: "APIResourceList", groupVersion: "v1" } },
    { path: "/version", want: { major: "1" } },
    { path: "/openapi/v3", want: { paths: { "api/v1": {} } } },
    { path: "/openapi/v3/apis/apps/v1", want: { openapi: "3.0.0" } },
  ])("serves $path", async ({ path, want }) => {
    expect((await client.get(path)).body).toMatchObject(want);
  });

  it("serves aggregated discovery and health", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    expect(await ask("/apis", accept)).toMatchObject({ kind: "APIGroupDiscoveryList" });
    expect(await ask("/readyz", "")).toBe("ok");
  });

  it("counts requests by verb and resource", async () => {
    await client.get(maps);
    await client.get(maps);
    await client.post(maps, aConfigMap("a"));
    expect(client.server.stats().requests).toEqual({ "list configmaps": 2, "create configmaps": 1 });
  });
});
