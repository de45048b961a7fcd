import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { namesOf, versionOf, type Client } from "./client.ts";
import { aConfigMap, aPod, sharedThings } from "./objects.ts";

describeApi("deletion", (api) => {
  let client: Client;
  let namespace: { readonly name: string; readonly path: string };
  let maps: string;
  let pods: string;
  beforeAll(() => {
    client = api.client;
  });
  beforeEach(async () => {
    namespace = await client.namespace();
    maps = `${namespace.path}/configmaps`;
    pods = `${namespace.path}/pods`;
  });
  const labelled = (name: string) => aConfigMap(name, { metadata: { labels: { mine: "1" } } });
  const mine = async () => namesOf(await client.get(`${maps}?labelSelector=mine`));

  describe("of one object", () => {
    it("answers with Success and what is gone", async () => {
      const created = await client.create(maps, aConfigMap("a"));
      const { status, body } = await client.delete(`${maps}/a`);
      expect(status).toBe(200);
      expect(body).toEqual({
        kind: "Status",
        apiVersion: "v1",
        metadata: {},
        status: "Success",
        details: { name: "a", kind: "configmaps", uid: created.metadata?.uid },
      });
      const again = await client.delete(`${maps}/a`);
      expect(again.body).toMatchObject({ code: 404, reason: "NotFound", message: 'configmaps "a" not found' });
    });

    it("answers with the pod for pods", async () => {
      const created = await client.create(pods, aPod("a"));
      const { status, body } = await client.delete(`${pods}/a`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ kind: "Pod", metadata: { uid: created.metadata?.uid } });
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });

    it("takes a body without a kind and one with", async () => {
      for (const body of [{}, { kind: "DeleteOptions", apiVersion: "v1" }, { propagationPolicy: "Background" }]) {
        await client.create(maps, aConfigMap("a"));
        expect((await client.delete(`${maps}/a`, body)).status).toBe(200);
      }
    });

    it("lets a name be used again with another uid", async () => {
      const first = await client.create(maps, aConfigMap("a"));
      await client.delete(`${maps}/a`);
      const second = await client.create(maps, aConfigMap("a"));
      expect(second.metadata?.uid).not.toBe(first.metadata?.uid);
    });

    it("keeps an object whose uid is not the expected one", async () => {
      const created = await client.create(maps, aConfigMap("a"));
      const { body } = await client.delete(`${maps}/a`, { preconditions: { uid: "other" } });
      expect(body).toMatchObject({ code: 409, reason: "Conflict", details: { name: "a", kind: "ConfigMap" } });
      expect(body.message).toBe(
        `Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in record (${created.metadata?.uid ?? ""}). The object might have been deleted and then recreated`,
      );
      const right = await client.delete(`${maps}/a`, { preconditions: { uid: created.metadata?.uid } });
      expect(right.status).toBe(200);
    });

    it("keeps an object whose version is not the expected one", async () => {
      const created = await client.create(maps, aConfigMap("a"));
      const { body } = await client.delete(`${maps}/a`, { preconditions: { resourceVersion: "1" } });
      expect(body).toMatchObject({ code: 409, reason: "Conflict" });
      expect(body.message).toContain(
        `the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${versionOf(created)})`,
      );
    });

    it.each([
      { name: "a policy that is none", options: { propagationPolicy: "Sideways" }, code: 422 },
      {
        name: "two ways of saying the policy",
        options: { propagationPolicy: "Orphan", orphanDependents: true },
        code: 422,
      },
      { name: "a dry run that is none", options: { dryRun: ["Some"] }, code: 422 },
    ])("refuses $name", async ({ options, code }) => {
      await client.create(maps, aConfigMap("a"));
      expect((await client.delete(`${maps}/a`, options)).status).toBe(code);
      expect((await client.get(`${maps}/a`)).status).toBe(200);
    });
  });

  describe("with finalizers", () => {
    const finalizers = ["example.com/y", "example.com/z"];

    it("marks the object, shows it, and removes it with the last", async () => {
      await client.create(maps, aConfigMap("a", { metadata: { finalizers } }));
      const { status, body } = await client.delete(`${maps}/a`);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        kind: "ConfigMap",
        metadata: { deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 0, finalizers },
      });
      await client.merge(`${maps}/a`, { metadata: { finalizers: ["example.com/z"] } });
      expect((await client.get(`${maps}/a`)).status).toBe(200);
      const last = await client.merge(`${maps}/a`, { metadata: { finalizers: null } });
      expect(last).toMatchObject({ status: 200, body: { metadata: { name: "a" } } });
      expect((await client.get(`${maps}/a`)).status).toBe(404);
    });

    it("changes nothing the second time", async () => {
      await client.create(maps, aConfigMap("a", { metadata: { finalizers } }));
      const first = await client.delete(`${maps}/a`);
      const second = await client.delete(`${maps}/a`);
      expect(second.body).toEqual(first.body);
    });

    it("lets no new one come", async () => {
      await client.create(maps, aConfigMap("a", { metadata: { finalizers } }));
      await client.delete(`${maps}/a`);
      const { body } = await client.merge(`${maps}/a`, {
        metadata: { finalizers: [...finalizers, "example.com/new"] },
      });
      expect(body).toMatchObject({
        code: 422,
        reason: "Invalid",
        details: { causes: expect.arrayContaining([expect.objectContaining({ field: "metadata.finalizers" })]) },
      });
      expect(body.message).toContain(
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"example.com/new"}',
      );
    });

    it("still lets other things change, but not the deletion", async () => {
      await client.create(maps, aConfigMap("a", { metadata: { finalizers } }));
      const deleted = await client.delete(`${maps}/a`);
      const { status, body } = await client.merge(`${maps}/a`, {
        data: { x: "1" },
        metadata: { deletionTimestamp: null },
      });
      expect(status).toBe(200);
      expect(body.metadata?.deletionTimestamp).toBe(deleted.body.metadata?.deletionTimestamp);
    });

    it("counts as a generation for custom resources", async () => {
      const things = await sharedThings(client);
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a", { metadata: { finalizers } }));
      const { body } = await client.delete(`${path}/a`);
      expect(body).toMatchObject({ kind: "Thing", metadata: { generation: 2, deletionGracePeriodSeconds: 0 } });
    });

    it("refuses a name that is none", async () => {
      const { body } = await client.post(maps, aConfigMap("a", { metadata: { finalizers: ["not a name"] } }));
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.details?.causes?.[0]?.field).toMatch(/^metadata\.finalizers/);
    });
  });

  describe("of pods", () => {
    it("takes one without a node at once", async () => {
      await client.create(pods, aPod("a"));
      await client.delete(`${pods}/a`);
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });

    it("gives one on a node its grace period", async () => {
      await client.create(pods, aPod("a", { spec: { nodeName: "n", terminationGracePeriodSeconds: 7 } }));
      const before = Date.now();
      const { body } = await client.delete(`${pods}/a`);
      expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 7, generation: 2 });
      const endsIn = Date.parse(body.metadata?.deletionTimestamp ?? "") - before;
      expect(endsIn).toBeGreaterThan(5_000);
      expect(endsIn).toBeLessThan(9_000);
      expect((await client.get(`${pods}/a`)).status).toBe(200);
    });

    it("shortens the period when asked, never lengthens it", async () => {
      await client.create(pods, aPod("a", { spec: { nodeName: "n" } }));
      await client.delete(`${pods}/a`, { gracePeriodSeconds: 20 });
      const sooner = await client.delete(`${pods}/a`, { gracePeriodSeconds: 5 });
      expect(sooner.body.metadata?.deletionGracePeriodSeconds).toBe(5);
      const later = await client.delete(`${pods}/a`, { gracePeriodSeconds: 60 });
      expect(later.body.metadata?.deletionGracePeriodSeconds).toBe(5);
    });

    it("removes one by force", async () => {
      await client.create(pods, aPod("a", { spec: { nodeName: "n" } }));
      await client.delete(`${pods}/a`);
      const { status } = await client.delete(`${pods}/a`, { gracePeriodSeconds: 0 });
      expect(status).toBe(200);
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });

    it("takes a finished one at once", async () => {
      await client.create(pods, aPod("a", { spec: { nodeName: "n" } }));
      await client.merge(`${pods}/a/status`, { status: { phase: "Succeeded" } });
      await client.delete(`${pods}/a`);
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });

    it("holds one by a finalizer beyond its grace period", async () => {
      await client.create(pods, aPod("a", { spec: { nodeName: "n" }, metadata: { finalizers: ["example.com/y"] } }));
      await client.delete(`${pods}/a`);
      await client.delete(`${pods}/a`, { gracePeriodSeconds: 0 });
      const { body } = await client.get(`${pods}/a`);
      expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 0, finalizers: ["example.com/y"] });
      await client.merge(`${pods}/a`, { metadata: { finalizers: null } });
      expect((await client.get(`${pods}/a`)).status).toBe(404);
    });
  });

  describe("of a collection", () => {
    it("takes all, or a selection", async () => {
      await client.create(maps, labelled("a"));
      await client.create(maps, aConfigMap("b", { metadata: { labels: { mine: "2" } } }));
      const { status, body } = await client.delete(`${maps}?labelSelector=mine%3D1`);
      expect({ status, kind: body.kind }).toEqual({ status: 200, kind: "ConfigMapList" });
      expect(await mine()).toEqual(["b"]);
      await client.delete(`${maps}?fieldSelector=metadata.name%3Db`);
      expect(await mine()).toEqual([]);
    });
  });

  describe("is prepared by owner references that", () => {
    it.each([
      { name: "no uid", change: { uid: "" }, field: "metadata.ownerReferences.uid" },
      { name: "no name", change: { name: "" }, field: "metadata.ownerReferences.name" },
      { name: "no kind", change: { kind: "" }, field: "metadata.ownerReferences.kind" },
    ])("have $name are refused", async ({ change, field }) => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "y", ...change };
      const { body } = await client.post(maps, aConfigMap("a", { metadata: { ownerReferences: [reference] } }));
      expect(body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field }] } });
    });

    it("name two controllers are refused", async () => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", controller: true };
      const ownerReferences = [
        { ...reference, name: "x", uid: "x" },
        { ...reference, name: "y", uid: "y" },
      ];
      const { body } = await client.post(maps, aConfigMap("a", { metadata: { ownerReferences } }));
      expect(body.code).toBe(422);
      expect(body.message).toContain("Only one reference can have Controller set to true");
    });
  });
});
