import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { managersOf, namesOf, versionOf, type Client } from "./client.ts";
import { aConfigMap, aLease, aPod, aWorkload, sharedThings, type Things } from "./objects.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

describeApi("writes", (api) => {
  let client: Client;
  let things: Things;
  let namespace: { readonly name: string; readonly path: string };
  let maps: string;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
    maps = `${namespace.path}/configmaps`;
  });

  describe("create", () => {
    it("sets the system's metadata and tracks who set which field", async () => {
      const { status, body } = await client.send("POST", maps, aConfigMap("a", { data: { x: "1" } }), {
        userAgent: "me/1.0 (linux)",
      });
      expect(status).toBe(201);
      expect(body).toEqual({
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: {
          name: "a",
          namespace: namespace.name,
          uid: expect.stringMatching(uuid),
          resourceVersion: expect.stringMatching(/^[1-9]\d*$/),
          creationTimestamp: expect.stringMatching(timestamp),
          managedFields: [
            {
              manager: "me",
              operation: "Update",
              apiVersion: "v1",
              time: expect.stringMatching(timestamp),
              fieldsType: "FieldsV1",
              fieldsV1: { "f:data": { ".": {}, "f:x": {} } },
            },
          ],
        },
        data: { x: "1" },
      });
    });

    it("ignores what only the system may set", async () => {
      const metadata = {
        uid: "00000000-0000-4000-8000-000000000000",
        creationTimestamp: "2000-01-01T00:00:00Z",
        deletionTimestamp: "2000-01-01T00:00:00Z",
        deletionGracePeriodSeconds: 5,
        generation: 7,
        selfLink: "/x",
      };
      const { body } = await client.post(things.pathIn(namespace.name), things.make("a", { metadata }));
      expect(body.metadata).toMatchObject({ generation: 1 });
      expect(body.metadata?.uid).not.toBe(metadata.uid);
      expect(body.metadata?.creationTimestamp).not.toBe(metadata.creationTimestamp);
      for (const field of ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"])
        expect(body.metadata).not.toHaveProperty(field);
    });

    it("leaves empty labels, annotations, finalizers and owners out", async () => {
      const metadata = { labels: {}, annotations: {}, finalizers: [], ownerReferences: [] };
      const created = await client.create(maps, aConfigMap("a", { metadata }));
      for (const field of Object.keys(metadata)) expect(created.metadata).not.toHaveProperty(field);
    });

    it("appends five characters to generateName", async () => {
      const metadata = { generateName: "job-" };
      const body = { apiVersion: "v1", kind: "ConfigMap", metadata };
      const [first, second] = [await client.create(maps, body), await client.create(maps, body)];
      expect(first.metadata).toMatchObject({
        generateName: "job-",
        name: expect.stringMatching(/^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/),
      });
      expect(second.metadata?.name).not.toBe(first.metadata?.name);
    });

    it("takes the name over generateName", async () => {
      const created = await client.create(maps, aConfigMap("given", { metadata: { generateName: "job-" } }));
      expect(created.metadata?.name).toBe("given");
    });

    it("makes one of many at the same time, and tells the others that it exists", async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => client.post(maps, aConfigMap("a"))));
      expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
      expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ reason: "AlreadyExists" });
    });

    it("gives no generation to kinds without a spec, and 1 to others", async () => {
      const map = await client.create(maps, aConfigMap("a"));
      expect(map.metadata).not.toHaveProperty("generation");
      const pod = await client.create(`${namespace.path}/pods`, aPod("a"));
      expect(pod.metadata?.generation).toBe(1);
      const set = await client.create(
        `/apis/apps/v1/namespaces/${namespace.name}/statefulsets`,
        aWorkload("StatefulSet", "a"),
      );
      expect(set.metadata?.generation).toBe(1);
    });

    it("gives a pod its defaults, and phase Pending whatever status it came with", async () => {
      const pod = await client.create(`${namespace.path}/pods`, aPod("a", { status: { phase: "Running" } }));
      expect(pod["spec"]).toMatchObject({
        containers: [
          {
            name: "c",
            image: "i:1",
            imagePullPolicy: "IfNotPresent",
            resources: {},
            terminationMessagePath: "/dev/termination-log",
            terminationMessagePolicy: "File",
          },
        ],
        restartPolicy: "Always",
        dnsPolicy: "ClusterFirst",
        terminationGracePeriodSeconds: 30,
        securityContext: {},
        enableServiceLinks: true,
        priority: 0,
        preemptionPolicy: "PreemptLowerPriority",
        tolerations: [
          { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
          { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
        ],
      });
      expect(pod["status"]).toEqual({ phase: "Pending", qosClass: "BestEffort" });
    });

    it("keeps the status that a node comes with", async () => {
      const status = { capacity: { "aliyun/member-eni": "10" }, allocatable: { "aliyun/member-eni": "10" } };
      const node = { apiVersion: "v1", kind: "Node", metadata: { name: `node-${namespace.name}` }, status };
      const created = await client.create("/api/v1/nodes", node);
      expect(created["status"]).toMatchObject(status);
    });

    it("labels a namespace with its name", async () => {
      const { body } = await client.get(namespace.path);
      expect(body).toMatchObject({
        metadata: { labels: { "kubernetes.io/metadata.name": namespace.name } },
        spec: { finalizers: ["kubernetes"] },
        status: { phase: "Active" },
      });
    });

    it("encodes the plain data of a secret", async () => {
      const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { x: "1" } };
      const created = await client.create(`${namespace.path}/secrets`, secret);
      expect(created).toMatchObject({ type: "Opaque", data: { x: "MQ==" } });
      expect(created).not.toHaveProperty("stringData");
    });
  });

  describe("update", () => {
    it("conflicts on a stale version, and passes with the newest", async () => {
      const created = await client.create(maps, aConfigMap("a", { data: { x: "1" } }));
      const second = await client.put(`${maps}/a`, { ...created, data: { x: "2" } });
      expect(second.status).toBe(200);
      expect(Number(versionOf(second.body))).toBeGreaterThan(Number(versionOf(created)));
      const stale = await client.put(`${maps}/a`, { ...created, data: { x: "3" } });
      expect(stale.body).toEqual({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Failure",
        reason: "Conflict",
        message:
          'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
        details: { name: "a", kind: "configmaps" },
        code: 409,
      });
    });

    it("lets one of many from the same version win", async () => {
      const created = await client.create(maps, aConfigMap("a"));
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, x) => client.put(`${maps}/a`, { ...created, data: { x: `${x}` } })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
    });

    it("needs no version for old kinds, and one for leases and custom resources", async () => {
      await client.create(maps, aConfigMap("a", { data: { x: "1" } }));
      expect((await client.put(`${maps}/a`, aConfigMap("a", { data: { x: "4" } }))).status).toBe(200);
      const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace.name}/leases`;
      const thingsPath = things.pathIn(namespace.name);
      await client.create(leases, aLease("a"));
      await client.create(thingsPath, things.make("a"));
      for (const [path, body] of [
        [leases, aLease("a")],
        [thingsPath, things.make("a")],
      ] as const) {
        const refused = await client.put(`${path}/a`, body);
        expect(refused.body).toMatchObject({
          code: 422,
          reason: "Invalid",
          details: { causes: [{ field: "metadata.resourceVersion", reason: "FieldValueInvalid" }] },
        });
        expect(refused.body.message).toContain(
          "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
        );
      }
    });

    it("takes out what it does not name", async () => {
      await client.create(maps, aConfigMap("a", { data: { x: "1" }, metadata: { labels: { l: "1" } } }));
      const { body } = await client.put(`${maps}/a`, aConfigMap("a"));
      expect(body).not.toHaveProperty("data");
      expect(body.metadata).not.toHaveProperty("labels");
    });

    it("changes no version when nothing changes", async () => {
      const created = await client.create(maps, aConfigMap("a", { data: { x: "1" } }));
      const same = await client.put(`${maps}/a`, created);
      expect(versionOf(same.body)).toBe(versionOf(created));
      const patched = await client.merge(`${maps}/a`, { data: { x: "1" } });
      expect(versionOf(patched.body)).toBe(versionOf(created));
    });

    it("keeps what only the system may set", async () => {
      const created = await client.create(maps, aConfigMap("a"));
      const metadata = {
        ...created.metadata,
        creationTimestamp: "2000-01-01T00:00:00Z",
        generation: 9,
        selfLink: "/x",
      };
      const { status, body } = await client.put(`${maps}/a`, { ...created, metadata, data: { x: "1" } });
      expect(status).toBe(200);
      expect(body.metadata?.creationTimestamp).toBe(created.metadata?.creationTimestamp);
      expect(body.metadata).not.toHaveProperty("selfLink");
    });

    it("counts a change of the spec as a generation, not one of labels", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a"));
      const labelled = await client.merge(`${path}/a`, { metadata: { labels: { a: "b" }, annotations: { c: "d" } } });
      expect(labelled.body.metadata?.generation).toBe(1);
      const changed = await client.merge(`${path}/a`, { spec: { size: 2 } });
      expect(changed.body.metadata?.generation).toBe(2);
      const same = await client.merge(`${path}/a`, { spec: { size: 2 } });
      expect(same.body.metadata?.generation).toBe(2);
    });

    it("lets a pod's image change, and counts it as a generation", async () => {
      const pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("a"));
      const { status, body } = await client.patch("json", `${pods}/a`, [
        { op: "replace", path: "/spec/containers/0/image", value: "i:2" },
      ]);
      expect(status).toBe(200);
      expect(body.metadata?.generation).toBe(2);
    });

    it("keeps the old managers and adds the new one", async () => {
      const created = await client.send("POST", maps, aConfigMap("a", { data: { x: "1", y: "1" } }), {
        userAgent: "one/1",
      });
      const { body } = await client.put(`${maps}/a?fieldManager=two`, { ...created.body, data: { x: "2", y: "1" } });
      expect(managersOf(body)).toEqual(["one Update", "two Update"]);
      expect(body.metadata?.managedFields).toMatchObject([
        { manager: "one", fieldsV1: { "f:data": { ".": {}, "f:y": {} } } },
        { manager: "two", fieldsV1: { "f:data": { "f:x": {} } } },
      ]);
    });

    it("forgets all managers when asked to", async () => {
      const created = await client.create(maps, aConfigMap("a", { data: { x: "1" } }));
      const { status, body } = await client.put(`${maps}/a`, {
        ...created,
        metadata: { ...created.metadata, managedFields: [{}] },
      });
      expect(status).toBe(200);
      expect(managersOf(body)).toEqual([]);
    });
  });

  describe("dry run", () => {
    it("answers as if, and stores nothing", async () => {
      const before = await client.create(maps, aConfigMap("a", { data: { x: "1" } }));
      const created = await client.post(`${maps}?dryRun=All`, aConfigMap("b"));
      expect(created.status).toBe(201);
      expect(created.body.metadata).toMatchObject({ name: "b", uid: expect.stringMatching(uuid) });
      expect(versionOf(created.body)).toBe("");
      const updated = await client.put(`${maps}/a?dryRun=All`, { ...before, data: { x: "2" } });
      expect(updated.body.data).toEqual({ x: "2" });
      const patched = await client.merge(`${maps}/a?dryRun=All`, { data: { x: "3" } });
      expect(patched.body.data).toEqual({ x: "3" });
      const deleted = await client.delete(`${maps}/a?dryRun=All`);
      expect(deleted.status).toBe(200);
      expect(namesOf(await client.get(maps))).toEqual(["a"]);
      expect((await client.get(`${maps}/a`)).body).toEqual(before);
    });

    it("finds the same faults", async () => {
      await client.create(maps, aConfigMap("a"));
      expect((await client.post(`${maps}?dryRun=All`, aConfigMap("a"))).status).toBe(409);
      expect((await client.post(`${maps}?dryRun=All`, aConfigMap("B"))).status).toBe(422);
    });

    it("is asked for as All only", async () => {
      const { status, body } = await client.post(`${maps}?dryRun=yes`, aConfigMap("a"));
      expect({ status, reason: body.reason }).toEqual({ status: 422, reason: "Invalid" });
      expect(body.message).toContain(
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["yes"]: supported values: "All"',
      );
    });
  });

  describe("subresources", () => {
    it("bind a pod once", async () => {
      const pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("a"));
      const binding = {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name: "a" },
        target: { kind: "Node", name: "n1" },
      };
      const bound = await client.post(`${pods}/a/binding`, binding);
      expect(bound).toMatchObject({ status: 201, body: { kind: "Status", status: "Success", code: 201 } });
      const { body } = await client.get(`${pods}/a`);
      expect(body).toMatchObject({
        spec: { nodeName: "n1" },
        status: { conditions: [{ type: "PodScheduled", status: "True" }] },
      });
      const again = await client.post(`${pods}/a/binding`, binding);
      expect(again.body).toMatchObject({
        code: 409,
        reason: "Conflict",
        message: 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"',
      });
    });

    it("evict a pod unless a budget says no", async () => {
      const pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("a", { metadata: { labels: { app: "x" } } }));
      await client.merge(`${pods}/a/status`, {
        status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
      });
      const budgets = `/apis/policy/v1/namespaces/${namespace.name}/poddisruptionbudgets`;
      const spec = { minAvailable: 1, selector: { matchLabels: { app: "x" } } };
      await client.create(budgets, {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name: "b" },
        spec,
      });
      const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "a" } };
      const refused = await client.post(`${pods}/a/eviction`, eviction);
      expect(refused.body).toMatchObject({
        code: 429,
        reason: "TooManyRequests",
        message: "Cannot evict pod as it would violate the pod's disruption budget.",
        details: { causes: [{ reason: "DisruptionBudget" }] },
      });
      const status = {
        observedGeneration: 1,
        disruptionsAllowed: 1,
        currentHealthy: 2,
        desiredHealthy: 1,
        expectedPods: 2,
      };
      await client.merge(`${budgets}/b/status`, { status });
      expect((await client.post(`${pods}/a/eviction`, eviction)).status).toBe(201);
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });

    it("scale a workload", async () => {
      const sets = `/apis/apps/v1/namespaces/${namespace.name}/statefulsets`;
      await client.create(sets, aWorkload("StatefulSet", "s"));
      const { body } = await client.merge(`${sets}/s/scale`, { spec: { replicas: 4 } });
      expect(body).toMatchObject({
        kind: "Scale",
        apiVersion: "autoscaling/v1",
        metadata: { name: "s" },
        spec: { replicas: 4 },
        status: { selector: "app=s" },
      });
      expect((await client.get(`${sets}/s`)).body).toMatchObject({
        spec: { replicas: 4 },
        metadata: { generation: 2 },
      });
      const scale = (await client.get(`${sets}/s/scale`)).body;
      const put = await client.put(`${sets}/s/scale`, { ...scale, spec: { replicas: 2 } });
      expect(put.body.spec).toEqual({ replicas: 2 });
    });
  });
});
