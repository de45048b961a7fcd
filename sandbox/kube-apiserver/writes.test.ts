import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { aConfigMap, aCrd, aPod, aThing, TestClient } from "./test-client.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const things = "/apis/example.com/v1/namespaces/default/things";
const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
let client: TestClient;

beforeEach(() => {
  client = new TestClient();
});
afterEach(() => {
  client.server.close();
});

describe("create", () => {
  it("sets the system's metadata and tracks who set which field", async () => {
    const { status, body } = await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    expect(status).toBe(201);
    expect(body.metadata).toMatchObject({
      name: "a",
      namespace: "default",
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      resourceVersion: expect.stringMatching(/^\d+$/) as unknown,
      creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as unknown,
      managedFields: [{ manager: "test", operation: "Update", fieldsV1: { "f:data": { "f:x": {} } } }],
    });
  });

  it.each([
    {
      name: "an existing name",
      path: maps,
      body: aConfigMap("here"),
      code: 409,
      reason: "AlreadyExists",
      message: 'configmaps "here" already exists',
    },
    {
      name: "a missing namespace",
      path: "/api/v1/namespaces/none/configmaps",
      body: aConfigMap("a"),
      code: 404,
      reason: "NotFound",
      message: 'namespaces "none" not found',
    },
    {
      name: "another kind",
      path: maps,
      body: { ...aConfigMap("a"), kind: "Secret" },
      code: 400,
      reason: "BadRequest",
      message: "cannot be handled as a ConfigMap",
    },
    {
      name: "another namespace",
      path: maps,
      body: aConfigMap("a", { metadata: { namespace: "x" } }),
      code: 400,
      reason: "BadRequest",
      message: "does not match the namespace",
    },
    {
      name: "a name that is none",
      path: maps,
      body: aConfigMap("A_b"),
      code: 422,
      reason: "Invalid",
      message: 'ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain',
    },
    {
      name: "no name",
      path: maps,
      body: { ...aConfigMap("a"), metadata: {} },
      code: 422,
      reason: "Invalid",
      message: "metadata.name: Required value: name or generateName is required",
    },
    {
      name: "a set resourceVersion",
      path: maps,
      body: aConfigMap("a", { metadata: { resourceVersion: "1" } }),
      code: 500,
      reason: undefined,
      message: "resourceVersion should not be set",
    },
    {
      name: "a pod without containers",
      path: pods,
      body: { ...aPod("a"), spec: {} },
      code: 422,
      reason: "Invalid",
      message: 'Pod "a" is invalid: spec.containers: Required value',
    },
    {
      name: "an unknown resource",
      path: "/api/v1/namespaces/default/nothings",
      body: {},
      code: 404,
      reason: "NotFound",
      message: "could not find the requested resource",
    },
  ])("refuses $name with $code $reason", async ({ path, body, code, reason, message }) => {
    await client.post(maps, aConfigMap("here"));
    const answer = await client.post(path, body);
    expect(answer.status).toBe(code);
    expect(answer.body).toMatchObject({ kind: "Status", status: "Failure", code });
    expect(answer.body.reason).toBe(reason);
    expect(answer.body.message).toContain(message);
  });

  it("appends five letters to generateName", async () => {
    const { body } = await client.post(maps, { ...aConfigMap("a"), metadata: { generateName: "job-" } });
    expect(body.metadata?.name).toMatch(/^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("gives a pod its defaults and phase Pending, whatever status it came with", async () => {
    const { body } = await client.post(pods, aPod("a", { status: { phase: "Running" } }));
    expect(body["status"]).toMatchObject({ phase: "Pending" });
    expect(body["spec"]).toMatchObject({
      restartPolicy: "Always",
      dnsPolicy: "ClusterFirst",
      terminationGracePeriodSeconds: 30,
    });
  });

  it("stores nothing in a dry run", async () => {
    const before = client.server.stats().revision;
    expect((await client.post(`${maps}?dryRun=All`, aConfigMap("a"))).status).toBe(201);
    expect(client.server.writesSince(before)).toBe(0);
  });

  it("keeps what the caller does with the answer out of the store", async () => {
    const { body } = await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    (body["data"] as Record<string, string>)["x"] = "2";
    expect((await client.get(`${maps}/a`)).body["data"]).toEqual({ x: "1" });
  });
});

describe("update", () => {
  it("conflicts on a stale version and passes with the current one or none", async () => {
    const { body } = await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    const second = await client.put(`${maps}/a`, { ...body, data: { x: "2" } });
    expect(second.status).toBe(200);
    const stale = await client.put(`${maps}/a`, { ...body, data: { x: "3" } });
    expect(stale.body).toMatchObject({
      code: 409,
      reason: "Conflict",
      message:
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      details: { name: "a", kind: "configmaps" },
    });
    expect((await client.put(`${maps}/a`, aConfigMap("a", { data: { x: "4" } }))).status).toBe(200);
  });

  it("wants a version for Leases, as for custom resources", async () => {
    const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "a" }, spec: {} };
    await client.post(leases, lease);
    const { status, body } = await client.put(`${leases}/a`, lease);
    expect(status).toBe(422);
    expect(body.message).toContain("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
  });

  it("changes no version when nothing changes", async () => {
    const { body } = await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    const before = client.server.stats().revision;
    const same = await client.put(`${maps}/a`, body);
    const patched = await client.merge(`${maps}/a`, { data: { x: "1" } });
    expect(same.body.metadata?.resourceVersion).toBe(body.metadata?.resourceVersion);
    expect(patched.body).toEqual(same.body);
    expect(client.server.writesSince(before)).toBe(0);
  });

  it.each([
    { name: "name", change: { metadata: { name: "b" } }, code: 400 },
    { name: "uid", change: { metadata: { name: "a", uid: "other" } }, code: 409 },
  ])("refuses another $name", async ({ change, code }) => {
    await client.post(maps, aConfigMap("a"));
    expect((await client.put(`${maps}/a`, aConfigMap("a", change))).status).toBe(code);
  });

  it("lets a pod's spec change only where Kubernetes does", async () => {
    const { body } = await client.post(pods, aPod("a"));
    const node = await client.merge(`${pods}/a`, { spec: { nodeName: "n" } });
    expect(node.body.message).toContain("spec: Forbidden: pod updates may not change fields other than");
    const image = await client.put(`${pods}/a`, {
      ...body,
      spec: {
        ...(body["spec"] as object),
        containers: [
          {
            name: "c",
            image: "i:2",
            imagePullPolicy: "IfNotPresent",
            resources: {},
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
        ],
      },
    });
    expect(image.status).toBe(200);
    expect(image.body.metadata?.generation).toBe(2);
  });
});

describe("patch", () => {
  it.each([
    {
      type: "application/json-patch+json",
      patch: [{ op: "replace", path: "/data/x", value: "2" }],
      want: { x: "2", y: "1" },
    },
    { type: "application/merge-patch+json", patch: { data: { x: null, z: "3" } }, want: { y: "1", z: "3" } },
    { type: "application/strategic-merge-patch+json", patch: { data: { x: "2" } }, want: { x: "2", y: "1" } },
    {
      type: "application/apply-patch+yaml",
      patch: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { z: "3" } },
      want: { x: "1", y: "1", z: "3" },
    },
  ])("applies $type", async ({ type, patch, want }) => {
    await client.post(maps, aConfigMap("a", { data: { x: "1", y: "1" } }));
    const { status, body } = await client.send("PATCH", `${maps}/a?fieldManager=me`, patch, type);
    expect({ status, data: body["data"] }).toEqual({ status: 200, data: want });
  });

  it.each([
    { name: "an unknown type", type: "application/json", patch: {}, code: 415 },
    { name: "a JSON patch that is none", type: "application/json-patch+json", patch: {}, code: 400 },
    {
      name: "a test that fails",
      type: "application/json-patch+json",
      patch: [{ op: "test", path: "/data/x", value: "9" }],
      code: 422,
    },
    {
      name: "a stale version",
      type: "application/merge-patch+json",
      patch: { metadata: { resourceVersion: "1" } },
      code: 409,
    },
    { name: "an object that is not there", type: "application/merge-patch+json", patch: {}, code: 404, at: "none" },
  ])("refuses $name with $code", async ({ type, patch, code, at = "a" }) => {
    await client.post(maps, aConfigMap("a", { data: { x: "1" } }));
    expect((await client.send("PATCH", `${maps}/${at}`, patch, type)).status).toBe(code);
  });

  it("creates by apply, conflicts with another manager's value, and takes it by force", async () => {
    const applied = (x: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { x } });
    const apply = (manager: string, x: string, force = "") =>
      client.send("PATCH", `${maps}/a?fieldManager=${manager}${force}`, applied(x), "application/apply-patch+yaml");
    expect((await apply("one", "1")).status).toBe(201);
    const again = await apply("one", "1");
    expect(again.body.metadata?.resourceVersion).toBe((await client.get(`${maps}/a`)).body.metadata?.resourceVersion);
    const refused = await apply("two", "2");
    expect(refused.body).toMatchObject({
      code: 409,
      reason: "Conflict",
      details: { causes: [{ reason: "FieldManagerConflict", field: ".data.x" }] },
    });
    expect((await apply("two", "2", "&force=true")).body["data"]).toEqual({ x: "2" });
  });

  it("repeats a patch without a version that lost a race, so that none is lost", async () => {
    await client.post(maps, aConfigMap("a"));
    await Promise.all([...Array(20).keys()].map((key) => client.merge(`${maps}/a`, { data: { [`k${key}`]: "1" } })));
    expect(Object.keys((await client.get(`${maps}/a`)).body["data"] as object)).toHaveLength(20);
  });
});

describe("status", () => {
  beforeEach(async () => {
    await client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", aCrd());
  });

  it("keeps spec and status apart, and counts generations of the spec only", async () => {
    await client.post(things, aThing("a", { status: { phase: "Sneaked" } }));
    const withStatus = await client.merge(`${things}/a/status`, {
      status: { phase: "Ready" },
      spec: { size: 9 },
      metadata: { labels: { a: "b" } },
    });
    expect(withStatus.body).toMatchObject({
      spec: { size: 1 },
      status: { phase: "Ready" },
      metadata: { generation: 1 },
    });
    expect(withStatus.body.metadata?.labels).toBeUndefined();
    const withSpec = await client.merge(`${things}/a`, { status: { phase: "Sneaked" }, spec: { size: 2 } });
    expect(withSpec.body).toMatchObject({ spec: { size: 2 }, status: { phase: "Ready" }, metadata: { generation: 2 } });
    const labelled = await client.merge(`${things}/a`, { metadata: { labels: { a: "b" } } });
    expect(labelled.body.metadata).toMatchObject({ generation: 2, labels: { a: "b" } });
  });

  it("is 404 where there is none", async () => {
    await client.post(maps, aConfigMap("a"));
    expect((await client.merge(`${maps}/a/status`, {})).status).toBe(404);
  });
});

describe("subresources", () => {
  it("binds a pod once", async () => {
    await client.post(pods, aPod("a"));
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: "a" },
      target: { kind: "Node", name: "n1" },
    };
    expect((await client.post(`${pods}/a/binding`, binding)).status).toBe(201);
    const { body } = await client.get(`${pods}/a`);
    expect(body).toMatchObject({
      spec: { nodeName: "n1" },
      status: { conditions: [{ type: "PodScheduled", status: "True" }] },
    });
    const again = await client.post(`${pods}/a/binding`, binding);
    expect(again.body).toMatchObject({
      code: 409,
      message: 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"',
    });
  });

  it("evicts unless a budget says no", async () => {
    await client.post(pods, aPod("a", { metadata: { labels: { app: "x" } } }));
    await client.merge(`${pods}/a/status`, { status: { phase: "Running" } });
    const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    await client.post(budgets, { metadata: { name: "b" }, spec: { selector: { matchLabels: { app: "x" } } } });
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "a" } };
    expect((await client.post(`${pods}/a/eviction`, eviction)).body).toMatchObject({
      code: 429,
      reason: "TooManyRequests",
    });
    await client.merge(`${budgets}/b/status`, { status: { disruptionsAllowed: 1 } });
    expect((await client.post(`${pods}/a/eviction`, eviction)).status).toBe(201);
    expect((await client.get(`${pods}/a`)).status).toBe(404);
  });

  it("scales", async () => {
    const path = "/apis/apps/v1/namespaces/default/statefulsets";
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    await client.post(path, { metadata: { name: "s" }, spec: { selector: { matchLabels: { a: "b" } }, template } });
    const { body } = await client.merge(`${path}/s/scale`, { spec: { replicas: 4 } });
    expect(body).toMatchObject({ kind: "Scale", spec: { replicas: 4 }, status: { selector: "a=b" } });
    expect((await client.get(`${path}/s`)).body).toMatchObject({ spec: { replicas: 4 }, metadata: { generation: 2 } });
  });

  it("shows one event in both its API groups", async () => {
    await client.post("/apis/events.k8s.io/v1/namespaces/default/events", {
      metadata: { name: "e" },
      eventTime: "2026-01-01T00:00:00.000000Z",
      regarding: { kind: "Pod", name: "p" },
      note: "hello",
      reason: "R",
      action: "A",
      type: "Normal",
      reportingController: "me",
      reportingInstance: "me-0",
    });
    const core = await client.get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp");
    expect(core.body.items).toMatchObject([
      { message: "hello", involvedObject: { name: "p" }, reportingComponent: "me" },
    ]);
    expect((await client.get("/apis/events.k8s.io/v1/namespaces/default/events/e")).body).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      note: "hello",
    });
  });
});
