import { beforeAll, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import type { Client } from "./client.ts";
import { crdsPath, makeThings, sharedThings, type Things } from "./objects.ts";

interface Resource {
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
}

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

describeApi("discovery", (api) => {
  let client: Client;
  let things: Things;
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  const resources = async (path: string): Promise<readonly Resource[]> => {
    const { body } = await client.get(path);
    return (body as unknown as { resources: readonly Resource[] }).resources;
  };

  it.each([
    { path: "/api", want: { kind: "APIVersions", versions: ["v1"] } },
    { path: "/apis", want: { kind: "APIGroupList", apiVersion: "v1" } },
    {
      path: "/apis/apps",
      want: {
        kind: "APIGroup",
        name: "apps",
        versions: [{ groupVersion: "apps/v1", version: "v1" }],
        preferredVersion: { groupVersion: "apps/v1", version: "v1" },
      },
    },
    { path: "/apis/apps/v1", want: { kind: "APIResourceList", groupVersion: "apps/v1" } },
    { path: "/api/v1", want: { kind: "APIResourceList", groupVersion: "v1" } },
    { path: "/version", want: { major: "1", minor: "35", gitVersion: "v1.35.4" } },
  ])("serves $path", async ({ path, want }) => {
    const { status, body } = await client.get(path);
    expect(status).toBe(200);
    expect(body).toMatchObject(want);
  });

  it.each([{ path: "/readyz" }, { path: "/livez" }, { path: "/healthz" }])(
    "is healthy at $path, also for who is nobody",
    async ({ path }) => {
      const { status, body } = await client.raw({ method: "GET", path, token: "" });
      expect({ status, body }).toEqual({ status: 200, body: "ok" });
    },
  );

  it.each([
    {
      path: "/api/v1",
      name: "pods",
      want: { singularName: "pod", namespaced: true, kind: "Pod", shortNames: ["po"], categories: ["all"] },
    },
    {
      path: "/api/v1",
      name: "nodes",
      want: { singularName: "node", namespaced: false, kind: "Node", shortNames: ["no"] },
    },
    {
      path: "/api/v1",
      name: "configmaps",
      want: { singularName: "configmap", namespaced: true, kind: "ConfigMap", shortNames: ["cm"] },
    },
    {
      path: "/api/v1",
      name: "events",
      want: { singularName: "event", namespaced: true, kind: "Event", shortNames: ["ev"] },
    },
    {
      path: "/apis/apps/v1",
      name: "statefulsets",
      want: { singularName: "statefulset", kind: "StatefulSet", shortNames: ["sts"], categories: ["all"] },
    },
    {
      path: "/apis/coordination.k8s.io/v1",
      name: "leases",
      want: { singularName: "lease", namespaced: true, kind: "Lease" },
    },
    {
      path: "/apis/apiextensions.k8s.io/v1",
      name: "customresourcedefinitions",
      want: { namespaced: false, kind: "CustomResourceDefinition", shortNames: ["crd", "crds"] },
    },
  ])("describes $name as kubectl needs it", async ({ path, name, want }) => {
    const found = (await resources(path)).find((resource) => resource.name === name);
    expect(found).toMatchObject(want);
    expect(found?.verbs.slice().sort()).toEqual([
      "create",
      "delete",
      "deletecollection",
      "get",
      "list",
      "patch",
      "update",
      "watch",
    ]);
  });

  it.each([
    { path: "/api/v1", name: "pods/status", kind: "Pod", verbs: ["get", "patch", "update"] },
    { path: "/api/v1", name: "pods/binding", kind: "Binding", verbs: ["create"] },
    { path: "/api/v1", name: "pods/eviction", kind: "Eviction", verbs: ["create"] },
    { path: "/apis/apps/v1", name: "statefulsets/scale", kind: "Scale", verbs: ["get", "patch", "update"] },
  ])("lists the subresource $name", async ({ path, name, kind, verbs }) => {
    const found = (await resources(path)).find((resource) => resource.name === name);
    expect(found).toMatchObject({ kind });
    expect(found?.verbs.slice().sort()).toEqual(verbs);
  });

  describe("of custom resources", () => {
    it("has group, version, names and subresources", async () => {
      const { body } = await client.get(`/apis/${things.group}`);
      expect(body).toMatchObject({ kind: "APIGroup", name: things.group, preferredVersion: { version: "v1" } });
      expect(await resources(`/apis/${things.apiVersion}`)).toMatchObject([
        {
          name: "things",
          singularName: "thing",
          namespaced: true,
          kind: "Thing",
          shortNames: ["th"],
          categories: ["example"],
        },
        { name: "things/status", kind: "Thing", verbs: expect.arrayContaining(["get", "patch", "update"]) },
      ]);
    });

    it("appears in the list of groups", async () => {
      const { body } = await client.eventually("/apis", (answer) => JSON.stringify(answer.body).includes(things.group));
      expect((body as unknown as { groups: readonly object[] }).groups).toContainEqual({
        name: things.group,
        versions: [{ groupVersion: things.apiVersion, version: "v1" }],
        preferredVersion: { groupVersion: things.apiVersion, version: "v1" },
      });
    });

    it("goes when the definition goes", async () => {
      const short = await makeThings(client);
      await client.delete(`${crdsPath}/${short.crdName}`);
      const { status } = await client.eventually(`/apis/${short.apiVersion}`, (answer) => answer.status === 404);
      expect(status).toBe(404);
    });
  });

  describe("in one document", () => {
    const groups = async (path: string) => {
      const { headers, body } = await client
        .eventually(path, ({ status }) => status === 200)
        .then(() => client.get(path, `${aggregated},application/json`));
      expect(headers["content-type"]).toBe(aggregated);
      return body;
    };

    it("shows the core group", async () => {
      const body = await groups("/api");
      expect(body).toMatchObject({ kind: "APIGroupDiscoveryList", apiVersion: "apidiscovery.k8s.io/v2" });
      const [core] = body.items as unknown as readonly {
        versions: readonly { version: string; resources: readonly { resource: string }[] }[];
      }[];
      const pods = core?.versions[0]?.resources.find(({ resource }) => resource === "pods");
      expect(pods).toMatchObject({
        resource: "pods",
        responseKind: { kind: "Pod" },
        scope: "Namespaced",
        singularResource: "pod",
        shortNames: ["po"],
        categories: ["all"],
      });
    });

    it("shows custom resources", async () => {
      let found: object | undefined;
      while (found === undefined) {
        const body = await groups("/apis");
        found = body.items?.find((item) => item.metadata?.name === things.group);
      }
      expect(found).toMatchObject({
        versions: [
          {
            version: "v1",
            freshness: "Current",
            resources: [
              {
                resource: "things",
                responseKind: { group: things.group, version: "v1", kind: "Thing" },
                scope: "Namespaced",
                subresources: [{ subresource: "status" }],
              },
            ],
          },
        ],
      });
    });
  });

  /** The index says that it is plain text. */
  const openApiPaths = async (): Promise<Readonly<Record<string, { readonly serverRelativeURL: string }>>> => {
    const { body } = await client.raw({ method: "GET", path: "/openapi/v3" });
    return (body as unknown as { paths: Record<string, { serverRelativeURL: string }> }).paths;
  };

  it("has an index of its OpenAPI documents, by group and version", async () => {
    const paths = await openApiPaths();
    expect(Object.keys(paths)).toEqual(expect.arrayContaining(["api/v1", "apis/apps/v1"]));
    expect(paths["apis/apps/v1"]?.serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/apps\/v1/);
  });

  it("has the schema of custom resources for kubectl explain", async () => {
    await client.eventually("/openapi/v3", ({ body }) => JSON.stringify(body).includes(things.apiVersion));
    const { body } = await client.get(`/openapi/v3/apis/${things.apiVersion}`);
    expect(JSON.stringify(body)).toContain("color");
  });

  describe("of what one may do", () => {
    it("says yes to an administrator", async () => {
      const review = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { verb: "create", resource: "pods", namespace: "default" } },
      };
      const { status, body } = await client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review);
      expect(status).toBe(201);
      expect(body).toMatchObject({ kind: "SelfSubjectAccessReview", status: { allowed: true } });
    });

    it("says who one is", async () => {
      const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
      const { status, body } = await client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review);
      expect(status).toBe(201);
      expect(body).toMatchObject({
        status: { userInfo: { username: "admin", groups: expect.arrayContaining(["system:masters"]) } },
      });
    });
  });
});
