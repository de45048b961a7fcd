import { beforeAll, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { uniqueName, type Client } from "./client.ts";
import { crdsPath, installOwnCrd, makeThings, sharedThings, thingCrd, type Things } from "./objects.ts";

describeApi("custom resource definitions", (api) => {
  let client: Client;
  let things: Things;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });

  describe("of anybody", () => {
    it("say when they are served, and under which names", async () => {
      const { body } = await client.get(`${crdsPath}/${things.crdName}`);
      expect(body.status).toMatchObject({
        acceptedNames: {
          plural: "things",
          singular: "thing",
          kind: "Thing",
          listKind: "ThingList",
          shortNames: ["th"],
          categories: ["example"],
        },
        storedVersions: ["v1"],
      });
      const { conditions } = body.status as {
        conditions: readonly { type: string; status: string; reason: string; message: string }[];
      };
      expect(conditions.map(({ type, status, reason, message }) => ({ type, status, reason, message }))).toEqual([
        { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" },
        {
          type: "Established",
          status: "True",
          reason: "InitialNamesAccepted",
          message: "the initial names have been accepted",
        },
      ]);
    });

    it("are given default names and a conversion", async () => {
      const group = `${uniqueName("g")}.example.com`;
      const created = await client.create(crdsPath, thingCrd(group, { singular: undefined, listKind: undefined }));
      expect(created).toMatchObject({
        metadata: { generation: 1 },
        spec: { names: { singular: "thing", listKind: "ThingList" }, conversion: { strategy: "None" } },
      });
    });

    it.each([
      {
        name: "another name than its plural and group",
        change: (crd: Crd) => void (crd.metadata.name = "other.example.com"),
        field: "metadata.name",
      },
      {
        name: "two storage versions",
        change: (crd: Crd) => void crd.spec.versions.push({ ...crd.spec.versions[0], name: "v2" }),
        field: "spec.versions",
      },
      {
        name: "no schema",
        change: ({ spec }: Crd) => void (spec.versions[0] = { ...spec.versions[0], schema: undefined }),
        field: "spec.versions[0].schema.openAPIV3Schema",
      },
    ])("are refused for $name", async ({ change, field }) => {
      const crd = thingCrd(`${uniqueName("g")}.example.com`);
      change(crd as unknown as Crd);
      const { body } = await client.post(crdsPath, crd);
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.details?.causes?.map((cause) => cause.field)).toContain(field);
    });

    it("keep their scope", async () => {
      const { body } = await client.get(`${crdsPath}/${things.crdName}`);
      const refused = await client.put(`${crdsPath}/${things.crdName}`, {
        ...body,
        spec: { ...(body.spec as object), scope: "Cluster" },
      });
      expect(refused.body).toMatchObject({ code: 422, details: { causes: [{ field: "spec.scope" }] } });
    });

    it("serve a second version of the same objects", async () => {
      const two = await makeThings(client, (crd) => {
        const { versions } = (crd as unknown as Crd).spec;
        versions.push({ ...versions[0], name: "v2", storage: false });
      });
      const { name } = await client.namespace();
      await client.createByApply(two.pathIn(name), two.make("a"));
      const second = `/apis/${two.group}/v2/namespaces/${name}/things`;
      const { body } = await client.eventually(`${second}/a`, ({ status }) => status === 200);
      expect(body).toMatchObject({ apiVersion: `${two.group}/v2`, kind: "Thing", spec: { size: 1 } });
      await client.merge(`${second}/a`, { spec: { size: 2 } });
      expect((await client.get(`${two.pathIn(name)}/a`)).body).toMatchObject({
        apiVersion: two.apiVersion,
        spec: { size: 2 },
      });
    });
  });

  describe("of this project", () => {
    beforeAll(async () => {
      for (const plural of ["networkinterfaces", "noderuntimes", "nodes", "podenis", "podnetworkings"]) {
        await installOwnCrd(client, plural);
      }
    });
    const root = "/apis/network.alibabacloud.com/v1beta1";
    const apiVersion = "network.alibabacloud.com/v1beta1";

    it("are established without complaints about their schemas", async () => {
      for (const plural of ["networkinterfaces", "noderuntimes", "nodes", "podenis", "podnetworkings"]) {
        const { body } = await client.get(`${crdsPath}/${plural}.network.alibabacloud.com`);
        const { conditions } = body.status as { conditions: readonly { type: string; status: string }[] };
        expect(conditions.map(({ type, status }) => `${type} ${status}`)).toEqual([
          "NamesAccepted True",
          "Established True",
        ]);
      }
    });

    it("give a PodNetworking its defaults", async () => {
      const name = uniqueName("pn");
      const body = { apiVersion, kind: "PodNetworking", metadata: { name }, spec: { vSwitchOptions: ["vsw-1"] } };
      const created = await client.createByApply(`${root}/podnetworkings`, body);
      expect(created["spec"]).toMatchObject({ eniOptions: { eniType: "Default" }, vSwitchOptions: ["vsw-1"] });
    });

    it("refuse a PodNetworking of an unknown allocation", async () => {
      const spec = { allocationType: { type: "Sometimes" } };
      const { body } = await client.post(`${root}/podnetworkings`, {
        apiVersion,
        kind: "PodNetworking",
        metadata: { name: "pn" },
        spec,
      });
      expect(body).toMatchObject({
        code: 422,
        details: { causes: [{ field: "spec.allocationType.type", reason: "FieldValueNotSupported" }] },
      });
    });

    it("keep the status of a PodENI apart", async () => {
      const { name } = await client.namespace();
      const podEnis = `${root}/namespaces/${name}/podenis`;
      const spec = { zone: "z", allocations: [{ ipv4: "10.0.0.1", eni: { id: "eni-1", mac: "m", zone: "z" } }] };
      await client.create(podEnis, { apiVersion, kind: "PodENI", metadata: { name: "p" }, spec });
      const { body } = await client.merge(`${podEnis}/p/status`, { status: { phase: "Bind" } });
      expect(body).toMatchObject({ status: { phase: "Bind" }, metadata: { generation: 1 } });
    });

    it("are found by their short names", async () => {
      const { body } = await client.get(root);
      const { resources } = body as unknown as {
        resources: readonly { name: string; shortNames?: readonly string[] }[];
      };
      const shortNames = resources
        .filter(({ name }) => !name.includes("/"))
        .map(({ name, shortNames }) => `${name} ${shortNames?.join() ?? ""}`);
      expect(shortNames.slice().sort()).toEqual([
        "networkinterfaces ni",
        "noderuntimes ",
        "nodes ",
        "podenis pe",
        "podnetworkings pn",
      ]);
    });
  });
});

interface Crd {
  metadata: { name: string };
  spec: { versions: Record<string, unknown>[] };
}
