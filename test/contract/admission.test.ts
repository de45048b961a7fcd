import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { AdmissionWorld } from "./admission-world.ts";
import { describeApi } from "./api.ts";
import { fieldsOf, versionOf, type Client } from "./client.ts";
import { aConfigMap, aPod, sharedThings } from "./objects.ts";
import { patching } from "./webhook-server.ts";

describeApi("admission", (api) => {
  let client: Client;
  let world: AdmissionWorld;
  beforeAll(async () => {
    client = api.client;
    world = await AdmissionWorld.start(client);
  });
  afterAll(() => world.server.stop());
  beforeEach(() => world.beginTest());
  afterEach(() => world.endTest());

  describe("asks", () => {
    it("with the object, the user and the place", async () => {
      await world.register("validating");
      await world.create({ data: { x: "1" } });
      expect(world.asked("validating")).toMatchObject([
        {
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
          kind: { group: "", version: "v1", kind: "ConfigMap" },
          resource: { group: "", version: "v1", resource: "configmaps" },
          requestKind: { group: "", version: "v1", kind: "ConfigMap" },
          requestResource: { group: "", version: "v1", resource: "configmaps" },
          name: "a",
          namespace: world.namespace.name,
          operation: "CREATE",
          userInfo: { username: "admin", groups: expect.arrayContaining(["system:masters"]) },
          object: {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name: "a", namespace: world.namespace.name },
            data: { x: "1" },
          },
          oldObject: null,
          dryRun: false,
          options: { apiVersion: "meta.k8s.io/v1", kind: "CreateOptions" },
        },
      ]);
      expect(world.server.reviews[0]?.query).toBe("?timeout=5s");
    });

    it("about a new object that has its uid and time already", async () => {
      await world.register("validating");
      const { body } = await world.create();
      expect(world.asked("validating")[0]?.object?.metadata).toMatchObject({
        uid: body.metadata?.uid,
        creationTimestamp: body.metadata?.creationTimestamp,
      });
      expect(versionOf(world.asked("validating")[0]?.object ?? {})).toBe("");
    });

    it("about updates and deletions with the old object", async () => {
      await world.create();
      await world.register("validating");
      await client.merge(`${world.maps}/a`, { data: { x: "1" } });
      await client.delete(`${world.maps}/a`);
      expect(world.asked("validating")).toMatchObject([
        {
          operation: "UPDATE",
          object: { data: { x: "1" } },
          oldObject: { metadata: { name: "a" } },
          options: { kind: "UpdateOptions" },
        },
        { operation: "DELETE", object: null, oldObject: { data: { x: "1" } }, options: { kind: "DeleteOptions" } },
      ]);
    });

    it("about a pod that is named by the server without a name", async () => {
      await world.register("validating", {
        rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
      });
      const { metadata: _, ...pod } = aPod("a");
      const { body } = await client.post(`${world.namespace.path}/pods`, {
        ...pod,
        metadata: { generateName: "job-" },
      });
      const [review] = world.asked("validating");
      expect(review?.object?.metadata).toMatchObject({ generateName: "job-", name: body.metadata?.name });
      expect(review?.name).toBe(body.metadata?.name);
    });

    it("in a dry run, and says that it is one", async () => {
      await world.register("validating");
      await client.post(`${world.maps}?dryRun=All`, aConfigMap("a"));
      expect(world.asked("validating")).toMatchObject([{ dryRun: true }]);
    });

    it("about custom resources", async () => {
      const things = await sharedThings(client);
      const rules = [{ operations: ["*"], apiGroups: [things.group], apiVersions: ["*"], resources: ["things"] }];
      await world.register("validating", { rules });
      await client.create(things.pathIn(world.namespace.name), things.make("a"));
      await client.merge(`${things.pathIn(world.namespace.name)}/a/status`, { status: { phase: "Ready" } });
      expect(world.asked("validating")).toMatchObject([
        {
          operation: "CREATE",
          object: { kind: "Thing", spec: { size: 1, color: "Red" } },
          resource: { group: things.group },
        },
      ]);
    });

    it("about a status only where the rule says so", async () => {
      const things = await sharedThings(client);
      const rules = [
        { operations: ["*"], apiGroups: [things.group], apiVersions: ["*"], resources: ["things/status"] },
      ];
      await world.register("validating", { rules });
      await client.create(things.pathIn(world.namespace.name), things.make("a"));
      await client.merge(`${things.pathIn(world.namespace.name)}/a/status`, { status: { phase: "Ready" } });
      expect(world.asked("validating")).toMatchObject([
        { operation: "UPDATE", subResource: "status", object: { status: { phase: "Ready" } } },
      ]);
    });
  });

  describe("does not ask about", () => {
    const all = { apiGroups: ["*"], apiVersions: ["*"] };
    it.each([
      {
        name: "another resource",
        more: { rules: [{ operations: ["*"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }] },
      },
      { name: "another operation", more: { rules: [{ operations: ["DELETE"], ...all, resources: ["*"] }] } },
      { name: "another scope", more: { rules: [{ operations: ["*"], ...all, resources: ["*"], scope: "Cluster" }] } },
      {
        name: "another group",
        more: { rules: [{ operations: ["*"], apiGroups: ["apps"], apiVersions: ["*"], resources: ["*"] }] },
      },
      { name: "another namespace", more: { namespaceSelector: { matchLabels: { team: "b" } } } },
      {
        name: "an excluded namespace",
        more: { namespaceSelector: { matchExpressions: [{ key: "team", operator: "NotIn", values: ["a"] }] } },
      },
      { name: "other labels", more: { objectSelector: { matchExpressions: [{ key: "x", operator: "Exists" }] } } },
    ])("$name", async ({ more }) => {
      await world.register("validating", more);
      expect((await world.create()).status).toBe(201);
      expect(world.asked("validating")).toEqual([]);
    });
  });

  describe("asks by labels", () => {
    it("of the namespace, as they are now", async () => {
      await world.register("validating", { namespaceSelector: { matchLabels: { team: "a" } } });
      await world.create();
      expect(world.asked("validating")).toHaveLength(1);
    });

    it("of the object, old or new", async () => {
      await world.register("validating", { objectSelector: { matchLabels: { x: "1" } } });
      await world.create({ metadata: { labels: { x: "1" } } });
      await client.merge(`${world.maps}/a`, { metadata: { labels: { x: null } } });
      await client.merge(`${world.maps}/a`, { data: { y: "1" } });
      expect(world.asked("validating")).toHaveLength(2);
    });
  });

  describe("lets a webhook change the object", () => {
    it("by JSON patch, before others validate what came out", async () => {
      await world.register("mutating");
      await world.register("validating");
      world.server.decide = (_, path) =>
        path === "/mutating"
          ? patching([{ op: "add", path: "/data", value: { x: "1" } }])
          : { response: { allowed: true } };
      const { status, body } = await world.create();
      expect({ status, data: body.data }).toEqual({ status: 201, data: { x: "1" } });
      expect(world.asked("mutating")).toMatchObject([{ object: { metadata: { name: "a" } } }]);
      expect(world.asked("validating")).toMatchObject([{ object: { data: { x: "1" } } }]);
    });

    it("and validates the result itself", async () => {
      await world.register("mutating");
      world.server.decide = () => patching([{ op: "add", path: "/metadata/labels", value: { x: "not valid!" } }]);
      const { body } = await world.create();
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
    });

    it("without giving the client what it added", async () => {
      await world.register("mutating");
      world.server.decide = () =>
        patching([{ op: "add", path: "/metadata/annotations", value: { "example.com/a": "1" } }]);
      const { body } = await client.post(`${world.maps}?fieldManager=me`, aConfigMap("a", { data: { x: "1" } }));
      expect(body.metadata?.annotations).toEqual({ "example.com/a": "1" });
      expect(fieldsOf(body, "me")).toEqual({ "f:data": { ".": {}, "f:x": {} } });
    });

    it("and refuses a patch that does not fit", async () => {
      await world.register("mutating");
      world.server.decide = () => patching([{ op: "remove", path: "/data/nothing" }]);
      const { status, body } = await world.create();
      expect({ status, reason: body.reason }).toEqual({ status: 500, reason: "InternalError" });
    });

    it("on updates, which then may be none", async () => {
      const { body: created } = await world.create({ data: { x: "1" } });
      await world.register("mutating");
      world.server.decide = () => patching([{ op: "replace", path: "/data/x", value: "1" }]);
      const { body } = await client.merge(`${world.maps}/a`, { data: { x: "2" } });
      expect(body.data).toEqual({ x: "1" });
      expect(versionOf(body)).toBe(versionOf(created));
    });
  });

  describe("lets a webhook refuse", () => {
    it.each([
      {
        name: "with message and code",
        given: { code: 403, reason: "Forbidden", message: "no way" },
        code: 403,
        reason: "Forbidden",
        message: 'admission webhook "hook.example.com" denied the request: no way',
      },
      {
        name: "with a reason alone",
        given: { reason: "BadThing" },
        code: 400,
        reason: "BadThing",
        message: 'admission webhook "hook.example.com" denied the request: BadThing',
      },
      {
        name: "with a code that is no refusal",
        given: { code: 200, message: "no" },
        code: 400,
        reason: undefined,
        message: 'admission webhook "hook.example.com" denied the request: no',
      },
      {
        name: "without a word",
        given: {},
        code: 400,
        reason: undefined,
        message: 'admission webhook "hook.example.com" denied the request without explanation',
      },
    ])("$name", async ({ given, code, reason, message }) => {
      await world.register("validating");
      world.server.decide = () => ({ response: { allowed: false, status: given } });
      const { status, body } = await world.create();
      expect(status).toBe(code);
      expect(body).toMatchObject({ kind: "Status", status: "Failure", code, message });
      expect(body.reason).toBe(reason);
      expect((await client.get(`${world.maps}/a`)).status).toBe(404);
    });

    it("while it mutates", async () => {
      await world.register("mutating");
      await world.register("validating");
      world.server.decide = (_, path) => ({ response: { allowed: path !== "/mutating" } });
      expect((await world.create()).status).toBe(400);
      expect(world.asked("validating")).toEqual([]);
    });

    it("a deletion", async () => {
      await world.create();
      await world.register("validating");
      world.server.decide = ({ operation }) => ({ response: { allowed: operation !== "DELETE" } });
      expect((await client.delete(`${world.maps}/a`)).status).toBe(400);
      expect((await client.get(`${world.maps}/a`)).status).toBe(200);
    });
  });

  it("hands warnings through", async () => {
    await world.register("validating");
    world.server.decide = () => ({ response: { allowed: true, warnings: ["take care", 'of "this"'] } });
    const { status, headers } = await world.create();
    expect(status).toBe(201);
    expect(headers["warning"]).toBe('299 - "take care", 299 - "of \\"this\\""');
  });

  it("loses no concurrent patch while a webhook takes its time", async () => {
    await world.create();
    await world.register("validating");
    await Promise.all(
      [...Array(5).keys()].map((key) => client.merge(`${world.maps}/a`, { data: { [`k${key}`]: "1" } })),
    );
    expect(Object.keys((await client.get(`${world.maps}/a`)).body.data as object)).toHaveLength(5);
  });
});
