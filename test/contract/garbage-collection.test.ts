import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { isGone, type Client } from "./client.ts";
import { aConfigMap, aPod, crdsPath, makeThings, ownerReference, sharedThings, thingCrd } from "./objects.ts";

describeApi(
  "garbage collection",
  (api) => {
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

    describe("of what has owners", () => {
      it("takes dependents in the background, through generations", async () => {
        const owner = await client.create(maps, aConfigMap("owner"));
        const child = await client.create(
          maps,
          aConfigMap("child", { metadata: { ownerReferences: [ownerReference(owner)] as never } }),
        );
        await client.create(
          pods,
          aPod("grandchild", { metadata: { ownerReferences: [ownerReference(child)] as never } }),
        );
        await client.delete(`${maps}/owner`, { propagationPolicy: "Background" });
        await client.eventually(`${maps}/child`, isGone);
        await client.eventually(`${pods}/grandchild`, isGone);
      });

      it("takes a dependent whose owner never was", async () => {
        const uid = "00000000-0000-4000-8000-000000000000";
        const owner = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "never", uid } };
        await client.create(
          maps,
          aConfigMap("child", { metadata: { ownerReferences: [ownerReference(owner)] as never } }),
        );
        await client.eventually(`${maps}/child`, isGone);
      });

      it("keeps a dependent that another owner still holds", async () => {
        const one = await client.create(maps, aConfigMap("one"));
        const two = await client.create(maps, aConfigMap("two"));
        const ownerReferences = [ownerReference(one), ownerReference(two)] as never;
        await client.create(maps, aConfigMap("child", { metadata: { ownerReferences } }));
        await client.delete(`${maps}/one`);
        const { body } = await client.eventually(
          `${maps}/child`,
          (answer) => answer.body.metadata?.ownerReferences?.length === 1,
        );
        expect(body.metadata?.ownerReferences).toMatchObject([{ name: "two" }]);
      });

      it("lets the owner go last in the foreground", async () => {
        const owner = await client.create(maps, aConfigMap("owner"));
        const ownerReferences = [ownerReference(owner, { blockOwnerDeletion: true })] as never;
        await client.create(
          maps,
          aConfigMap("child", { metadata: { ownerReferences, finalizers: ["example.com/y"] } }),
        );
        const { body } = await client.delete(`${maps}/owner`, { propagationPolicy: "Foreground" });
        expect(body).toMatchObject({
          kind: "ConfigMap",
          metadata: { finalizers: ["foregroundDeletion"], deletionTimestamp: expect.any(String) },
        });
        await client.eventually(`${maps}/child`, (answer) => answer.body.metadata?.deletionTimestamp !== undefined);
        expect((await client.get(`${maps}/owner`)).status).toBe(200);
        await client.merge(`${maps}/child`, { metadata: { finalizers: null } });
        await client.eventually(`${maps}/owner`, isGone);
      });

      it("does not wait in the foreground for who does not block", async () => {
        const owner = await client.create(maps, aConfigMap("owner"));
        const ownerReferences = [ownerReference(owner)] as never;
        await client.create(
          maps,
          aConfigMap("child", { metadata: { ownerReferences, finalizers: ["example.com/y"] } }),
        );
        await client.delete(`${maps}/owner`, { propagationPolicy: "Foreground" });
        await client.eventually(`${maps}/owner`, isGone);
        await client.merge(`${maps}/child`, { metadata: { finalizers: null } });
      });

      it("only cuts the references when orphaning", async () => {
        const owner = await client.create(maps, aConfigMap("owner"));
        await client.create(
          maps,
          aConfigMap("child", { metadata: { ownerReferences: [ownerReference(owner)] as never } }),
        );
        await client.delete(`${maps}/owner`, { propagationPolicy: "Orphan" });
        await client.eventually(`${maps}/owner`, isGone);
        const { body } = await client.get(`${maps}/child`);
        expect(body.metadata).not.toHaveProperty("ownerReferences");
        expect(body.metadata).not.toHaveProperty("deletionTimestamp");
      });
    });

    describe("of namespaces", () => {
      it("empties them, of custom resources too, lets nothing new in, and waits for finalizers", async () => {
        const things = await sharedThings(client);
        await client.create(maps, aConfigMap("a"));
        await client.apply(`${things.pathIn(namespace.name)}/a`, "me", things.make("a"));
        await client.create(maps, aConfigMap("held", { metadata: { finalizers: ["example.com/y"] } }));
        const { body } = await client.delete(namespace.path);
        expect(body).toMatchObject({
          kind: "Namespace",
          metadata: { deletionTimestamp: expect.any(String) },
          status: { phase: "Terminating" },
        });
        const refused = await client.post(maps, aConfigMap("late"));
        expect(refused.body).toMatchObject({
          code: 403,
          reason: "Forbidden",
          message: `configmaps "late" is forbidden: unable to create new content in namespace ${namespace.name} because it is being terminated`,
          details: {
            name: "late",
            kind: "configmaps",
            causes: [
              {
                reason: "NamespaceTerminating",
                message: `namespace ${namespace.name} is being terminated`,
                field: "metadata.namespace",
              },
            ],
          },
        });
        await client.eventually(`${maps}/a`, isGone);
        await client.eventually(`${things.pathIn(namespace.name)}/a`, isGone);
        expect((await client.get(namespace.path)).status).toBe(200);
        await client.merge(`${maps}/held`, { metadata: { finalizers: null } });
        await client.eventually(namespace.path, isGone);
      });
    });

    describe("of custom resource definitions", () => {
      it("takes their objects, after their finalizers, and the path with them", async () => {
        const things = await makeThings(client);
        const path = things.pathIn(namespace.name);
        await client.apply(`${path}/a`, "me", things.make("a", { metadata: { finalizers: ["example.com/y"] } }));
        const { body } = await client.delete(`${crdsPath}/${things.crdName}`);
        expect(body.metadata).toMatchObject({ finalizers: ["customresourcecleanup.apiextensions.k8s.io"] });
        await client.eventually(`${path}/a`, (answer) => answer.body.metadata?.deletionTimestamp !== undefined);
        const refused = await client.post(path, things.make("b"));
        expect(refused.body).toMatchObject({
          code: 403,
          reason: "Forbidden",
          message: `${things.crdName} "b" is forbidden: create not allowed while custom resource definition is terminating`,
        });
        await client.merge(`${path}/a`, { metadata: { finalizers: null } });
        await client.eventually(`${crdsPath}/${things.crdName}`, isGone);
        const { body: gone } = await client.eventually(path, isGone);
        expect(gone.kind === "Status" || typeof gone === "string").toBe(true);
      });

      it("lets one of the same name be made again, empty", async () => {
        const things = await makeThings(client);
        const path = things.pathIn(namespace.name);
        await client.apply(`${path}/a`, "me", things.make("a"));
        await client.delete(`${crdsPath}/${things.crdName}`);
        await client.eventually(`${crdsPath}/${things.crdName}`, isGone);
        await client.create(crdsPath, thingCrd(things.group));
        const { body } = await client.eventually(path, ({ status }) => status === 200);
        expect(body.items).toEqual([]);
      });
    });
  },
  { controllers: true },
);
