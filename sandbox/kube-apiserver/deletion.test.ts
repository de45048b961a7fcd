import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { KubeJson } from "./kube-json.ts";
import { aConfigMap, aCrd, aPod, aThing, TestClient } from "./test-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const things = "/apis/example.com/v1/namespaces/default/things";
const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
let client: TestClient;

beforeEach(() => {
  client = new TestClient();
});
afterEach(() => {
  client.server.close();
});

const isGone = (answer: { status: number }) => answer.status === 404;
const ownedBy = (owner: KubeJson, more: object = {}) => ({
  ownerReferences: [
    { apiVersion: "v1", kind: "ConfigMap", name: owner.metadata?.name ?? "", uid: owner.metadata?.uid ?? "", ...more },
  ],
});

describe("delete", () => {
  it("answers Success for most kinds and the object for pods", async () => {
    await client.post(maps, aConfigMap("a"));
    expect((await client.delete(`${maps}/a`)).body).toMatchObject({
      kind: "Status",
      status: "Success",
      details: { name: "a", kind: "configmaps" },
    });
    await client.post(pods, aPod("a"));
    expect((await client.delete(`${pods}/a`)).body).toMatchObject({ kind: "Pod" });
    expect((await client.delete(`${pods}/a`)).body).toMatchObject({ code: 404, message: 'pods "a" not found' });
  });

  it.each([
    { precondition: "uid", message: "the UID in the precondition (other) does not match" },
    { precondition: "resourceVersion", message: "the ResourceVersion in the precondition (other) does not match" },
  ])("keeps an object whose $precondition is not the expected one", async ({ precondition, message }) => {
    await client.post(maps, aConfigMap("a"));
    const { status, body } = await client.delete(`${maps}/a`, { preconditions: { [precondition]: "other" } });
    expect(status).toBe(409);
    expect(body.message).toContain(message);
  });

  it("waits for finalizers, lets no new one come, and goes with the last", async () => {
    await client.post(maps, aConfigMap("a", { metadata: { finalizers: ["x/y", "x/z"] } }));
    const deleted = await client.delete(`${maps}/a`);
    expect(deleted.body.metadata).toMatchObject({
      deletionTimestamp: expect.any(String) as unknown,
      deletionGracePeriodSeconds: 0,
    });
    const revision = client.server.stats().revision;
    await client.delete(`${maps}/a`);
    expect(client.server.writesSince(revision)).toBe(0);
    const added = await client.merge(`${maps}/a`, { metadata: { finalizers: ["x/y", "x/z", "x/new"] } });
    expect(added.body).toMatchObject({
      code: 422,
      message: expect.stringContaining(
        'no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/new"}',
      ) as unknown,
    });
    await client.merge(`${maps}/a`, { metadata: { finalizers: ["x/z"] } });
    expect((await client.get(`${maps}/a`)).status).toBe(200);
    await client.merge(`${maps}/a`, { metadata: { finalizers: null } });
    expect((await client.get(`${maps}/a`)).status).toBe(404);
  });

  it("gives a pod on a node its grace period, and removes it when forced", async () => {
    await client.post(pods, aPod("a", { spec: { nodeName: "n", containers: [{ name: "c", image: "i" }] } }));
    const { body } = await client.delete(`${pods}/a`);
    expect(body.metadata).toMatchObject({
      deletionGracePeriodSeconds: 30,
      deletionTimestamp: expect.any(String) as unknown,
      generation: 2,
    });
    expect((await client.get(`${pods}/a`)).status).toBe(200);
    const sooner = await client.delete(`${pods}/a`, { gracePeriodSeconds: 5 });
    expect(sooner.body.metadata).toMatchObject({ deletionGracePeriodSeconds: 5 });
    await client.delete(`${pods}/a`, { gracePeriodSeconds: 0 });
    expect((await client.get(`${pods}/a`)).status).toBe(404);
  });

  it("deletes a selection", async () => {
    await client.post(maps, aConfigMap("a", { metadata: { labels: { x: "1" } } }));
    await client.post(maps, aConfigMap("b"));
    await client.delete(`${maps}?labelSelector=x`);
    expect((await client.get(maps)).body.items?.map((item) => item.metadata?.name)).toEqual(["b"]);
  });
});

describe("garbage collection", () => {
  it("deletes dependents in the background, through generations", async () => {
    const owner = await client.post(maps, aConfigMap("owner"));
    const child = await client.post(maps, aConfigMap("child", { metadata: ownedBy(owner.body) }));
    await client.post(pods, aPod("grandchild", { metadata: ownedBy(child.body) }));
    await client.delete(`${maps}/owner`);
    expect((await client.get(`${maps}/owner`)).status).toBe(404);
    await client.eventually(`${pods}/grandchild`, isGone);
    await client.eventually(`${maps}/child`, isGone);
  });

  it("deletes what is born an orphan", async () => {
    await client.post(maps, aConfigMap("a", { metadata: ownedBy({ metadata: { name: "x", uid: "never" } }) }));
    await client.eventually(`${maps}/a`, isGone);
  });

  it("keeps a dependent that has another owner", async () => {
    const one = await client.post(maps, aConfigMap("one"));
    const two = await client.post(maps, aConfigMap("two"));
    const ownerReferences = [...ownedBy(one.body).ownerReferences, ...ownedBy(two.body).ownerReferences];
    await client.post(maps, aConfigMap("a", { metadata: { ownerReferences } }));
    await client.delete(`${maps}/one`);
    const left = await client.eventually(`${maps}/a`, (answer) => answer.body.metadata?.ownerReferences?.length === 1);
    expect(left.body.metadata?.ownerReferences).toMatchObject([{ name: "two" }]);
  });

  it("lets the owner go last in the foreground", async () => {
    const owner = await client.post(maps, aConfigMap("owner"));
    const metadata = { ...ownedBy(owner.body, { blockOwnerDeletion: true }), finalizers: ["x/y"] };
    await client.post(maps, aConfigMap("child", { metadata }));
    const { body } = await client.delete(`${maps}/owner`, { propagationPolicy: "Foreground" });
    expect(body.metadata?.finalizers).toEqual(["foregroundDeletion"]);
    await client.eventually(`${maps}/child`, (answer) => answer.body.metadata?.deletionTimestamp !== undefined);
    expect((await client.get(`${maps}/owner`)).status).toBe(200);
    await client.merge(`${maps}/child`, { metadata: { finalizers: null } });
    await client.eventually(`${maps}/owner`, isGone);
  });

  it("only cuts the references when orphaning", async () => {
    const owner = await client.post(maps, aConfigMap("owner"));
    await client.post(maps, aConfigMap("child", { metadata: ownedBy(owner.body) }));
    await client.delete(`${maps}/owner`, { propagationPolicy: "Orphan" });
    await client.eventually(`${maps}/owner`, isGone);
    const { body } = await client.get(`${maps}/child`);
    expect(body.metadata?.ownerReferences ?? []).toEqual([]);
  });
});

describe("namespaces", () => {
  it("empties a deleted namespace, refuses new objects meanwhile, and waits for finalizers", async () => {
    await client.post("/api/v1/namespaces", { metadata: { name: "team" } });
    const path = "/api/v1/namespaces/team/configmaps";
    await client.post(path, aConfigMap("a"));
    await client.post(path, aConfigMap("held", { metadata: { finalizers: ["x/y"] } }));
    const { body } = await client.delete("/api/v1/namespaces/team");
    expect(body).toMatchObject({ kind: "Namespace", status: { phase: "Terminating" } });
    const refused = await client.post(path, aConfigMap("late"));
    expect(refused.body).toMatchObject({ code: 403, details: { causes: [{ reason: "NamespaceTerminating" }] } });
    await client.eventually(`${path}/a`, isGone);
    expect((await client.get("/api/v1/namespaces/team")).status).toBe(200);
    await client.merge(`${path}/held`, { metadata: { finalizers: null } });
    await client.eventually("/api/v1/namespaces/team", isGone);
  });
});

describe("custom resources", () => {
  beforeEach(async () => {
    expect((await client.post(crds, aCrd())).status).toBe(201);
  });

  it("are served at once, and the CRD says so", async () => {
    expect((await client.post(things, aThing("a"))).status).toBe(201);
    const { body } = await client.eventually(
      `${crds}/things.example.com`,
      (answer) => answer.body["status"] !== undefined,
    );
    expect(body["status"]).toMatchObject({
      acceptedNames: { singular: "thing", listKind: "ThingList" },
      conditions: [
        { type: "NamesAccepted", status: "True" },
        { type: "Established", status: "True" },
      ],
      storedVersions: ["v1"],
    });
  });

  it("get defaults, lose unknown fields, and are held to their schema", async () => {
    const created = await client.post(things, aThing("a", { spec: { size: 1, other: true } }));
    expect(created.body["spec"]).toEqual({ size: 1, color: "Red" });
    expect(created.headers["warning"]).toBe('299 - "unknown field \\"spec.other\\""');
    const strict = await client.post(
      `${things}?fieldValidation=Strict`,
      aThing("b", { spec: { size: 1, other: true } }),
    );
    expect(strict.body).toMatchObject({
      code: 400,
      message: expect.stringContaining('strict decoding error: unknown field "spec.other"') as unknown,
    });
    const wrong = await client.post(things, aThing("b", { spec: { size: 0, color: "Green" } }));
    expect(wrong.body).toMatchObject({
      code: 422,
      reason: "Invalid",
      details: {
        group: "example.com",
        kind: "Thing",
        causes: [{ field: "spec.size" }, { field: "spec.color", reason: "FieldValueNotSupported" }],
      },
    });
    expect(wrong.body.message).toMatch(/^Thing\.example\.com "b" is invalid: \[/);
  });

  it("are shown with their printer columns", async () => {
    await client.post(things, aThing("a", { spec: { size: 7 } }));
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const answer = await client.server
      .transport()
      .request({ method: "GET", path: things, headers: { accept } }, AbortSignal.timeout(1_000));
    expect(answer.body).toMatchObject({
      columnDefinitions: [{ name: "Name" }, { name: "Size" }],
      rows: [{ cells: ["a", 7] }],
    });
  });

  it("are read with defaults that came after them, and not written for it", async () => {
    const { body } = await client.eventually(
      `${crds}/things.example.com`,
      (answer) => answer.body["status"] !== undefined,
    );
    await client.post(things, aThing("a"));
    const text = JSON.stringify(body).replace('"minimum":1}', '"minimum":1},"later":{"type":"string","default":"yes"}');
    await client.put(`${crds}/things.example.com`, JSON.parse(text));
    const before = client.server.stats().revision;
    expect((await client.get(`${things}/a`)).body["spec"]).toEqual({ size: 1, color: "Red", later: "yes" });
    expect((await client.get(things)).body.items).toMatchObject([{ spec: { later: "yes" } }]);
    expect(client.server.writesSince(before)).toBe(0);
  });

  it("take no strategic merge", async () => {
    await client.post(things, aThing("a"));
    expect((await client.send("PATCH", `${things}/a`, {}, "application/strategic-merge-patch+json")).status).toBe(415);
  });

  it("follow a changed schema", async () => {
    const { body } = await client.eventually(
      `${crds}/things.example.com`,
      (answer) => answer.body["status"] !== undefined,
    );
    const text = JSON.stringify(body).replace('"minimum":1', '"minimum":5');
    await client.put(`${crds}/things.example.com`, JSON.parse(text));
    expect((await client.post(things, aThing("a", { spec: { size: 3 } }))).status).toBe(422);
  });

  it("go with their CRD, after their finalizers", async () => {
    await client.eventually(`${crds}/things.example.com`, (answer) => answer.body.metadata?.finalizers !== undefined);
    await client.post(things, aThing("a", { metadata: { finalizers: ["x/y"] } }));
    await client.delete(`${crds}/things.example.com`);
    await client.eventually(`${things}/a`, (answer) => answer.body.metadata?.deletionTimestamp !== undefined);
    await client.merge(`${things}/a`, { metadata: { finalizers: null } });
    await client.eventually(`${crds}/things.example.com`, isGone);
    expect((await client.get(things)).body).toMatchObject({ code: 404 });
  });
});
