import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { managersOf, versionOf, type Client } from "./client.ts";
import { aConfigMap, aPod, aWorkload, makeThings, sharedThings, type Things } from "./objects.ts";

describeApi("status", (api) => {
  let client: Client;
  let things: Things;
  let thingsPath: string;
  let namespace: { readonly name: string; readonly path: string };
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
    thingsPath = things.pathIn(namespace.name);
  });

  describe("of custom resources", () => {
    it("is not taken at creation", async () => {
      const created = await client.create(thingsPath, things.make("a", { status: { phase: "Sneaked" } }));
      expect(created).not.toHaveProperty("status");
    });

    it("changes alone: spec and metadata stay, and no generation is counted", async () => {
      await client.create(thingsPath, things.make("a"));
      const { status, body } = await client.merge(`${thingsPath}/a/status`, {
        status: { phase: "Ready" },
        spec: { size: 9 },
        metadata: { labels: { a: "b" }, annotations: { a: "b" }, finalizers: ["example.com/x"] },
      });
      expect(status).toBe(200);
      expect(body).toMatchObject({ spec: { size: 1 }, status: { phase: "Ready" }, metadata: { generation: 1 } });
      for (const field of ["labels", "annotations", "finalizers"]) expect(body.metadata).not.toHaveProperty(field);
    });

    it("stays when the rest changes", async () => {
      await client.create(thingsPath, things.make("a"));
      await client.merge(`${thingsPath}/a/status`, { status: { phase: "Ready" } });
      const patched = await client.merge(`${thingsPath}/a`, { status: { phase: "Sneaked" }, spec: { size: 2 } });
      expect(patched.body).toMatchObject({
        spec: { size: 2 },
        status: { phase: "Ready" },
        metadata: { generation: 2 },
      });
      const { status: _, ...withoutStatus } = patched.body;
      const put = await client.put(`${thingsPath}/a`, { ...withoutStatus, spec: { size: 3 } });
      expect(put.body).toMatchObject({ spec: { size: 3 }, status: { phase: "Ready" } });
    });

    it("changes no version when the main resource is written with another status only", async () => {
      const created = await client.create(thingsPath, things.make("a"));
      const { body } = await client.put(`${thingsPath}/a`, { ...created, status: { phase: "Sneaked" } });
      expect(versionOf(body)).toBe(versionOf(created));
    });

    it("can be replaced as a whole, and removed", async () => {
      const created = await client.create(thingsPath, things.make("a"));
      const first = await client.put(`${thingsPath}/a/status`, {
        ...created,
        status: { phase: "Ready", since: "2026-01-01T00:00:00Z" },
      });
      const second = await client.put(`${thingsPath}/a/status`, { ...first.body, status: { phase: "Gone" } });
      expect(second.body.status).toEqual({ phase: "Gone" });
      const { status: _, ...bare } = second.body;
      const third = await client.put(`${thingsPath}/a/status`, bare);
      expect(third.body).not.toHaveProperty("status");
    });

    it("conflicts on a stale version, that of a change of the spec included", async () => {
      const created = await client.create(thingsPath, things.make("a"));
      await client.merge(`${thingsPath}/a`, { spec: { size: 2 } });
      const { body } = await client.put(`${thingsPath}/a/status`, { ...created, status: { phase: "Ready" } });
      expect(body).toMatchObject({ code: 409, reason: "Conflict" });
      expect(body.message).toContain(
        `Operation cannot be fulfilled on things.${things.group} "a": the object has been modified`,
      );
    });

    it("needs a version to be replaced", async () => {
      await client.create(thingsPath, things.make("a"));
      const { status } = await client.put(`${thingsPath}/a/status`, things.make("a", { status: { phase: "Ready" } }));
      expect(status).toBe(422);
    });

    it("can be read, and shows the whole object", async () => {
      await client.create(thingsPath, things.make("a"));
      expect((await client.get(`${thingsPath}/a/status`)).body).toMatchObject({ kind: "Thing", spec: { size: 1 } });
    });

    it("is validated and pruned", async () => {
      await client.create(thingsPath, things.make("a"));
      const wrong = await client.merge(`${thingsPath}/a/status`, { status: { phase: 5 } });
      expect(wrong.body).toMatchObject({
        code: 422,
        reason: "Invalid",
        details: { causes: [{ field: "status.phase" }] },
      });
      const pruned = await client.merge(`${thingsPath}/a/status`, { status: { phase: "Ready", other: 1 } });
      expect(pruned.body.status).toEqual({ phase: "Ready" });
    });

    it("has managers of its own", async () => {
      await client.create(`${thingsPath}?fieldManager=one`, things.make("a"));
      const { body } = await client.merge(`${thingsPath}/a/status?fieldManager=one`, { status: { phase: "Ready" } });
      expect(managersOf(body)).toEqual(["one Update", "one Update status"]);
      const entry = body.metadata?.managedFields?.find(({ subresource }) => subresource === "status");
      expect(entry?.fieldsV1).toEqual({ "f:status": { ".": {}, "f:phase": {} } });
    });

    it("is 404 for an object that is not there, and never creates one", async () => {
      const patched = await client.merge(`${thingsPath}/none/status`, { status: { phase: "Ready" } });
      expect(patched.body).toMatchObject({
        code: 404,
        reason: "NotFound",
        message: `things.${things.group} "none" not found`,
      });
      const applied = await client.apply(
        `${thingsPath}/none/status`,
        "me",
        things.make("none", { status: { phase: "Ready" } }),
      );
      expect(applied.status).toBe(404);
    });

    it("is patched by JSON patch only where it exists", async () => {
      await client.create(thingsPath, things.make("a"));
      const add = [{ op: "add", path: "/status/phase", value: "Ready" }];
      expect((await client.patch("json", `${thingsPath}/a/status`, add)).status).toBe(422);
      const whole = [{ op: "add", path: "/status", value: { phase: "Ready" } }];
      expect((await client.patch("json", `${thingsPath}/a/status`, whole)).body.status).toEqual({ phase: "Ready" });
    });

    it("of a kind without the subresource is part of the object", async () => {
      const plain = await makeThings(client, (crd) => {
        const [version] = (crd["spec"] as { versions: { subresources?: object }[] }).versions;
        delete version?.subresources;
      });
      const path = plain.pathIn(namespace.name);
      const created = await client.createByApply(path, plain.make("a", { status: { phase: "Ready" } }));
      expect(created["status"]).toEqual({ phase: "Ready" });
      const changed = await client.merge(`${path}/a`, { status: { phase: "Gone" } });
      expect(changed.body).toMatchObject({ status: { phase: "Gone" }, metadata: { generation: 2 } });
      expect((await client.get(`${path}/a/status`)).status).toBe(404);
    });
  });

  describe("of built-in kinds", () => {
    it("of a pod changes alone, and its conditions can be patched", async () => {
      const pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("a"));
      const { body } = await client.merge(`${pods}/a/status`, {
        status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] },
        spec: { containers: [{ name: "c", image: "other" }] },
      });
      expect(body).toMatchObject({
        spec: { containers: [{ image: "i:1" }] },
        status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }], qosClass: "BestEffort" },
      });
    });

    it("of a pod takes no labels along", async () => {
      const pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("a"));
      const { body } = await client.merge(`${pods}/a/status`, {
        metadata: { labels: { a: "b" } },
        status: { phase: "Running" },
      });
      expect(body.metadata?.labels).toEqual({ a: "b" });
    });

    it("of a node takes extended resources", async () => {
      const name = `node-${namespace.name}`;
      await client.create("/api/v1/nodes", { apiVersion: "v1", kind: "Node", metadata: { name } });
      const patch = [{ op: "add", path: "/status/capacity", value: { "aliyun/member-eni": "10" } }];
      const { status, body } = await client.patch("json", `/api/v1/nodes/${name}/status`, patch);
      expect(status).toBe(200);
      expect(body.status).toMatchObject({ capacity: { "aliyun/member-eni": "10" } });
    });

    it("of a workload is no generation", async () => {
      const sets = `/apis/apps/v1/namespaces/${namespace.name}/statefulsets`;
      await client.create(sets, aWorkload("StatefulSet", "a"));
      const { body } = await client.merge(`${sets}/a/status`, { status: { replicas: 1, observedGeneration: 1 } });
      expect(body).toMatchObject({ status: { replicas: 1, observedGeneration: 1 }, metadata: { generation: 1 } });
    });

    it("is 404 for kinds that have none", async () => {
      await client.create(`${namespace.path}/configmaps`, aConfigMap("a"));
      const { body } = await client.merge(`${namespace.path}/configmaps/a/status`, {});
      expect(body).toMatchObject({
        code: 404,
        reason: "NotFound",
        message: "the server could not find the requested resource",
      });
    });
  });
});
