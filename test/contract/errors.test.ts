import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { type Answer, type Client } from "./client.ts";
import { aConfigMap, aPod, aWorkload, sharedThings, type Things } from "./objects.ts";

describeApi("refusals", (api) => {
  let client: Client;
  let things: Things;
  let namespace: { readonly name: string; readonly path: string };
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
  });

  it("are Status objects with the code of the answer", async () => {
    const { status, headers, body } = await client.get(`${namespace.path}/configmaps/none`);
    expect(status).toBe(404);
    expect(headers["content-type"]).toBe("application/json");
    expect(body).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'configmaps "none" not found',
      reason: "NotFound",
      details: { name: "none", kind: "configmaps" },
      code: 404,
    });
  });

  it("name the group of the resource", async () => {
    const { body } = await client.get(`${things.pathIn(namespace.name)}/none`);
    expect(body).toMatchObject({
      message: `things.${things.group} "none" not found`,
      details: { name: "none", group: things.group, kind: "things" },
    });
    const lease = await client.get(`/apis/coordination.k8s.io/v1/namespaces/${namespace.name}/leases/none`);
    expect(lease.body.message).toBe('leases.coordination.k8s.io "none" not found');
  });

  describe("of a create", () => {
    it.each([
      {
        name: "an existing name",
        path: "/configmaps",
        body: aConfigMap("here"),
        code: 409,
        reason: "AlreadyExists",
        message: 'configmaps "here" already exists',
      },
      {
        name: "another kind",
        path: "/configmaps",
        body: { ...aConfigMap("a"), kind: "Secret" },
        code: 400,
        reason: "BadRequest",
        message: 'Secret in version "v1" cannot be handled as a ConfigMap',
      },
      {
        name: "another version",
        path: "/configmaps",
        body: { ...aConfigMap("a"), apiVersion: "v9" },
        code: 400,
        reason: "BadRequest",
        message:
          'ConfigMap in version "v9" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v9"',
      },
      {
        name: "another namespace",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { namespace: "x" } }),
        code: 400,
        reason: "BadRequest",
        message: "the namespace of the provided object does not match the namespace sent on the request",
      },
      {
        name: "a name that is none",
        path: "/configmaps",
        body: aConfigMap("A_b"),
        code: 422,
        reason: "Invalid",
        message: `ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      },
      {
        name: "a name that is too long",
        path: "/configmaps",
        body: aConfigMap("a".repeat(254)),
        code: 422,
        reason: "Invalid",
        message: "must be no more than 253",
      },
      {
        name: "no name",
        path: "/configmaps",
        body: { ...aConfigMap("a"), metadata: {} },
        code: 422,
        reason: "Invalid",
        message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
      },
      {
        name: "a set version",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { resourceVersion: "1" } }),
        code: 500,
        reason: undefined,
        message: "resourceVersion should not be set on objects to be created",
      },
      {
        name: "a label that is none",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { labels: { x: "not valid!" } } }),
        code: 422,
        reason: "Invalid",
        message: `ConfigMap "a" is invalid: metadata.labels: Invalid value: "not valid!": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
      },
      {
        name: "a label that is too long",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { labels: { x: "x".repeat(64) } } }),
        code: 422,
        reason: "Invalid",
        message: "must be no more than 63",
      },
      {
        name: "a label key that is none",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { labels: { "-x": "1" } } }),
        code: 422,
        reason: "Invalid",
        message: `metadata.labels: Invalid value: "-x": name part must consist of alphanumeric characters, '-', '_' or '.'`,
      },
      {
        name: "an annotation key that is none",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { annotations: { "a b": "1" } } }),
        code: 422,
        reason: "Invalid",
        message: `metadata.annotations: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.'`,
      },
      {
        name: "annotations that are too large",
        path: "/configmaps",
        body: aConfigMap("a", { metadata: { annotations: { a: "x".repeat(262_145) } } }),
        code: 422,
        reason: "Invalid",
        message: "metadata.annotations: Too long: may not be more than 262144 bytes",
      },
      {
        name: "a pod without containers",
        path: "/pods",
        body: aPod("a", { spec: { containers: [] } }),
        code: 422,
        reason: "Invalid",
        message: 'Pod "a" is invalid: spec.containers: Required value',
      },
      {
        name: "a pod with two containers of one name",
        path: "/pods",
        body: aPod("a", {
          spec: {
            containers: [
              { name: "c", image: "i" },
              { name: "c", image: "i" },
            ],
          },
        }),
        code: 422,
        reason: "Invalid",
        message: 'Pod "a" is invalid: spec.containers[1].name: Duplicate value: "c"',
      },
      {
        name: "a container without an image",
        path: "/pods",
        body: aPod("a", { spec: { containers: [{ name: "c" }] } }),
        code: 422,
        reason: "Invalid",
        message: 'Pod "a" is invalid: spec.containers[0].image: Required value',
      },
    ])("for $name", async ({ path, body, code, reason, message }) => {
      await client.create(`${namespace.path}/configmaps`, aConfigMap("here"));
      const answer = await client.post(`${namespace.path}${path}`, body);
      expect(answer.status).toBe(code);
      expect(answer.body).toMatchObject({ kind: "Status", status: "Failure", code });
      expect(answer.body.reason).toBe(reason);
      expect(answer.body.message).toContain(message);
    });

    it("for a namespace that is not there", async () => {
      const { body } = await client.post("/api/v1/namespaces/nowhere/configmaps", aConfigMap("a"));
      expect(body).toMatchObject({
        code: 404,
        reason: "NotFound",
        message: 'namespaces "nowhere" not found',
        details: { name: "nowhere", kind: "namespaces" },
      });
    });

    it("for a namespace with a name that is none", async () => {
      const { body } = await client.post("/api/v1/namespaces", { metadata: { name: "a.b" } });
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain(
        'Namespace "a.b" is invalid: metadata.name: Invalid value: "a.b": must not contain dots',
      );
    });

    it("for a workload whose selector does not fit", async () => {
      const selector = { matchLabels: { app: "other" } };
      const path = `/apis/apps/v1/namespaces/${namespace.name}/deployments`;
      const { body } = await client.post(path, aWorkload("Deployment", "a", { selector }));
      expect(body).toMatchObject({
        code: 422,
        reason: "Invalid",
        details: { causes: [{ field: "spec.template.metadata.labels" }] },
      });
      expect(body.message).toBe(
        'Deployment.apps "a" is invalid: spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
      );
    });
  });

  describe("of an update", () => {
    it("for another name than that of the path", async () => {
      await client.create(`${namespace.path}/configmaps`, aConfigMap("a"));
      const { body } = await client.put(`${namespace.path}/configmaps/a`, aConfigMap("b"));
      expect(body).toMatchObject({
        code: 400,
        reason: "BadRequest",
        message: "the name of the object (b) does not match the name on the URL (a)",
      });
    });

    it("for another uid", async () => {
      const created = await client.create(`${namespace.path}/configmaps`, aConfigMap("a"));
      const { body } = await client.put(
        `${namespace.path}/configmaps/a`,
        aConfigMap("a", { metadata: { uid: "other" } }),
      );
      expect(body).toMatchObject({ code: 409, reason: "Conflict" });
      expect(body.message).toMatch(/^Operation cannot be fulfilled on configmaps "a": /);
      expect(body.message).toContain(
        `Precondition failed: UID in precondition: other, UID in object meta: ${created.metadata?.uid ?? ""}`,
      );
    });

    it("for an object that is not there", async () => {
      const { body } = await client.put(`${namespace.path}/configmaps/none`, aConfigMap("none"));
      expect(body).toMatchObject({ code: 404, reason: "NotFound", message: 'configmaps "none" not found' });
    });

    it("for a pod's spec, where Kubernetes does not let it change", async () => {
      await client.create(`${namespace.path}/pods`, aPod("a"));
      const { body } = await client.merge(`${namespace.path}/pods/a`, { spec: { nodeName: "n" } });
      expect(body).toMatchObject({
        code: 422,
        reason: "Invalid",
        details: { causes: [{ reason: "FieldValueForbidden", field: "spec" }] },
      });
      expect(body.message).toContain(
        'Pod "a" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`',
      );
    });

    it("for the selector of a workload", async () => {
      const path = `/apis/apps/v1/namespaces/${namespace.name}/deployments`;
      await client.create(path, aWorkload("Deployment", "a"));
      const { body } = await client.merge(`${path}/a`, {
        spec: { selector: { matchLabels: { b: "1" } }, template: { metadata: { labels: { b: "1" } } } },
      });
      expect(body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field: "spec.selector" }] } });
      expect(body.message).toContain("field is immutable");
    });

    it("for a claim template of a stateful set", async () => {
      const path = `/apis/apps/v1/namespaces/${namespace.name}/statefulsets`;
      await client.create(path, aWorkload("StatefulSet", "a"));
      const { body } = await client.merge(`${path}/a`, { spec: { serviceName: "other" } });
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain("spec: Forbidden: updates to statefulset spec for fields other than 'replicas'");
    });

    it("for the data of an immutable config map", async () => {
      await client.create(`${namespace.path}/configmaps`, {
        ...aConfigMap("a", { data: { x: "1" } }),
        immutable: true,
      });
      const { body } = await client.merge(`${namespace.path}/configmaps/a`, { data: { x: "2" } });
      expect(body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field: "data" }] } });
      expect(body.message).toContain("data: Forbidden: field is immutable when `immutable` is set");
    });
  });

  describe("of a path", () => {
    it.each([
      { name: "an unknown resource", path: "/api/v1/nothings" },
      { name: "an unknown version", path: "/apis/apps/v9/deployments" },
      { name: "an unknown group", path: "/apis/no.example.com/v1/things" },
      { name: "an object of a namespaced kind without a namespace", path: "/api/v1/configmaps/a" },
    ])("for $name", async ({ path }) => {
      expect((await client.get(path)).status).toBe(404);
    });

    it("for an unknown resource in the words that kubectl shows", async () => {
      const { body } = await client.get("/api/v1/nothings");
      expect(body).toMatchObject({
        kind: "Status",
        code: 404,
        reason: "NotFound",
        message: "the server could not find the requested resource",
      });
    });

    it.each([
      { name: "a put of a collection", method: "PUT" as const, path: "/configmaps" },
      { name: "a post to an object", method: "POST" as const, path: "/configmaps/a" },
      { name: "a patch of a collection", method: "PATCH" as const, path: "/configmaps" },
    ])("for $name", async ({ method, path }) => {
      const { status, body } = await client.send(method, `${namespace.path}${path}`, aConfigMap("a"));
      expect(status).toBe(405);
      expect(body).toMatchObject({
        code: 405,
        reason: "MethodNotAllowed",
        message: "the server does not allow this method on the requested resource",
      });
    });

    it("for a post to all namespaces", async () => {
      expect((await client.post("/api/v1/configmaps", aConfigMap("a"))).status).toBe(405);
    });
  });

  describe("of a body", () => {
    const raw = (body: string, headers: Record<string, string> = {}): Promise<Answer> =>
      client.raw({ method: "POST", path: `${namespace.path}/configmaps`, body, headers });

    it("that is broken", async () => {
      const { status, body } = await raw('{"kind":');
      expect({ status, reason: body.reason }).toEqual({ status: 400, reason: "BadRequest" });
    });

    it("that is no object", async () => {
      expect((await raw('"x"')).status).toBe(400);
    });

    it("that is empty", async () => {
      expect((await raw("")).status).toBe(400);
    });

    it("of an unknown type", async () => {
      const { body } = await raw("x", { "content-type": "text/plain" });
      expect(body).toMatchObject({ code: 415, reason: "UnsupportedMediaType" });
    });

    it("that is too large", async () => {
      const { status, body } = await raw(JSON.stringify(aConfigMap("a", { data: { x: "x".repeat(3_200_000) } })));
      expect({ status, reason: body.reason }).toEqual({ status: 413, reason: "RequestEntityTooLarge" });
      expect(body.message).toBe("Request entity too large: limit is 3145728");
    });

    it("for a config map that is too large to keep", async () => {
      const { body } = await client.post(
        `${namespace.path}/configmaps`,
        aConfigMap("a", { data: { x: "x".repeat(1_048_577) } }),
      );
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message).toContain("Too long: may not be more than 1048576 bytes");
    });

    it("may be YAML", async () => {
      const { status, body } = await raw("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\n", {
        "content-type": "application/yaml",
      });
      expect({ status, name: body.metadata?.name }).toEqual({ status: 201, name: "yaml" });
    });
  });

  it("of a token that nobody has is 401", async () => {
    const { status, body } = await client.raw({ method: "GET", path: "/api/v1/pods", token: "wrong" });
    expect(status).toBe(401);
    expect(body).toMatchObject({ kind: "Status", code: 401, reason: "Unauthorized", message: "Unauthorized" });
  });

  it("of an answer in a form that is not served is 406", async () => {
    const { status, body } = await client.get(`${namespace.path}/configmaps`, "text/html");
    expect(status).toBe(406);
    expect(body).toMatchObject({ reason: "NotAcceptable" });
  });
});
