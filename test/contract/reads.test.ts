import { beforeAll, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { namesOf, versionOf, type Client } from "./client.ts";
import { aConfigMap, aPod, sharedThings } from "./objects.ts";

describeApi("reads", (api) => {
  let client: Client;
  beforeAll(() => {
    client = api.client;
  });

  describe("get", () => {
    it("shows the object with its kind and version", async () => {
      const { path } = await client.namespace();
      const created = await client.create(`${path}/configmaps`, aConfigMap("a", { data: { x: "1" } }));
      const { status, headers, body } = await client.get(`${path}/configmaps/a`);
      expect(status).toBe(200);
      expect(headers["content-type"]).toBe("application/json");
      expect(body).toEqual(created);
      expect(body).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", data: { x: "1" } });
    });

    it.each([{ resourceVersion: "" }, { resourceVersion: "0" }])(
      "accepts resourceVersion '$resourceVersion'",
      async ({ resourceVersion }) => {
        const { name } = await client.namespace();
        await client.eventually(
          `/api/v1/namespaces/${name}?resourceVersion=${resourceVersion}`,
          ({ status }) => status === 200,
        );
      },
    );

    it("shows only metadata to a client that wants no more", async () => {
      const { path } = await client.namespace();
      await client.create(`${path}/configmaps`, aConfigMap("a", { data: { x: "1" } }));
      const { body } = await client.get(
        `${path}/configmaps/a`,
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
      );
      expect(body).toMatchObject({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: { name: "a" },
      });
      expect(body.data).toBeUndefined();
    });
  });

  describe("list", () => {
    let namespace: { readonly name: string; readonly path: string };
    let pods: string;
    beforeAll(async () => {
      namespace = await client.namespace();
      pods = `${namespace.path}/pods`;
      await client.create(pods, aPod("b", { metadata: { labels: { app: "y", big: "" } } }));
      await client.create(pods, aPod("a", { metadata: { labels: { app: "x", tier: "1" } } }));
      await client.create(pods, aPod("c", { spec: { nodeName: "n1", restartPolicy: "Never" } }));
    });

    it.each([
      { query: "", want: ["a", "b", "c"] },
      { query: "limit=0", want: ["a", "b", "c"] },
      { query: "resourceVersion=", want: ["a", "b", "c"] },
      { query: "labelSelector=app%3Dx", want: ["a"] },
      { query: "labelSelector=app%3D%3Dx", want: ["a"] },
      { query: "labelSelector=app", want: ["a", "b"] },
      { query: "labelSelector=!app", want: ["c"] },
      { query: "labelSelector=app!%3Dx", want: ["b", "c"] },
      { query: "labelSelector=app+in+(x,y),tier!%3D1", want: ["b"] },
      { query: "labelSelector=app+notin+(x)", want: ["b", "c"] },
      { query: "labelSelector=app+in+(x)", want: ["a"] },
      { query: "labelSelector=tier%3E0", want: ["a"] },
      { query: "labelSelector=tier%3C1", want: [] },
      { query: "labelSelector=big%3D", want: ["b"] },
      { query: "labelSelector=app%3Dx,app%3Dy", want: [] },
      { query: "fieldSelector=metadata.name%3Db", want: ["b"] },
      { query: "fieldSelector=metadata.name!%3Db", want: ["a", "c"] },
      { query: "fieldSelector=spec.nodeName%3Dn1", want: ["c"] },
      { query: "fieldSelector=spec.nodeName%3D", want: ["a", "b"] },
      { query: "fieldSelector=spec.nodeName!%3Dn1,status.phase%3DPending", want: ["a", "b"] },
      { query: "fieldSelector=spec.restartPolicy%3DNever", want: ["c"] },
      { query: "fieldSelector=spec.schedulerName%3Dnobody", want: ["a", "b", "c"] },
      { query: "fieldSelector=metadata.namespace%3Dother", want: [] },
      { query: "fieldSelector=metadata.name%3Db&labelSelector=app%3Dx", want: [] },
    ])("selects $want by '$query'", async ({ query, want }) => {
      const answer = await client.get(`${pods}?${query}`);
      expect(answer.body).toMatchObject({ kind: "PodList", apiVersion: "v1" });
      expect(namesOf(answer)).toEqual(want);
    });

    it.each([
      { query: "fieldSelector=spec.unknown%3Dx", message: "field label not supported: spec.unknown" },
      { query: "labelSelector=a%3D%3D%3Db%20c", message: "unable to parse requirement" },
      { query: "labelSelector=a+in+b", message: "unable to parse requirement" },
      { query: "labelSelector=-a", message: "unable to parse requirement" },
      { query: "labelSelector=a%3Db_", message: "unable to parse requirement" },
      { query: "fieldSelector=x", message: "invalid selector: 'x'; can't understand 'x'" },
      { query: "continue=abc", message: "continue key is not valid" },
    ])("refuses '$query'", async ({ query, message }) => {
      const { status, body } = await client.get(`${pods}?${query}`);
      expect({ status, code: body.code, reason: body.reason }).toEqual({
        status: 400,
        code: 400,
        reason: "BadRequest",
      });
      expect(body.message).toContain(message);
    });

    it("has items without kind and version of their own for built-in kinds", async () => {
      const { body } = await client.get(pods);
      expect(body.items?.map((item) => ({ kind: item.kind, apiVersion: item.apiVersion }))).toEqual([{}, {}, {}]);
    });

    it("shows an empty list as one, at a version that can be watched from", async () => {
      const { path } = await client.namespace();
      const { body } = await client.get(`${path}/pods`);
      expect(body.items).toEqual([]);
      expect(versionOf(body)).toMatch(/^[1-9]\d*$/);
    });

    it("is empty for a namespace that is not there", async () => {
      const { status, body } = await client.get("/api/v1/namespaces/nowhere/pods");
      expect({ status, items: body.items }).toEqual({ status: 200, items: [] });
    });

    it("is at a version not before the newest write", async () => {
      const created = await client.create(`${namespace.path}/secrets`, { metadata: { name: "s" } });
      const { body } = await client.get(`${namespace.path}/secrets`);
      expect(Number(versionOf(body))).toBeGreaterThanOrEqual(Number(versionOf(created)));
    });

    it("spans namespaces in the order of namespace and name", async () => {
      const labels = { across: namespace.name };
      const other = await client.namespace();
      const both = [namespace.name, other.name].sort();
      for (const name of ["z", "y"])
        for (const namespace of [...both].reverse())
          await client.create(`/api/v1/namespaces/${namespace}/configmaps`, aConfigMap(name, { metadata: { labels } }));
      const { body } = await client.get(`/api/v1/configmaps?labelSelector=across%3D${namespace.name}`);
      expect(body.items?.map(({ metadata }) => `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`)).toEqual(
        both.flatMap((name) => [`${name}/y`, `${name}/z`]),
      );
    });

    it("shows only metadata to a client that wants no more", async () => {
      const { body } = await client.get(pods, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
      expect(body).toMatchObject({ kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" });
      expect(body.items?.map(({ kind, metadata, ...rest }) => ({ kind, name: metadata?.name, ...rest }))).toEqual(
        ["a", "b", "c"].map((name) => ({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", name })),
      );
    });
  });

  describe("pages", () => {
    let pods: string;
    beforeAll(async () => {
      const { path } = await client.namespace();
      pods = `${path}/pods`;
      for (const name of ["a", "b", "c", "d"])
        await client.create(pods, aPod(name, { metadata: { labels: { x: "1" } } }));
    });
    const continueOf = (body: { metadata?: Record<string, unknown> }) => String(body.metadata?.["continue"]);

    it("come with a token and the number of those that remain", async () => {
      const answer = await client.get(`${pods}?limit=1`);
      expect(namesOf(answer)).toEqual(["a"]);
      expect(answer.body.metadata).toMatchObject({ remainingItemCount: 3, continue: expect.stringMatching(/./) });
    });

    it("say nothing of those that remain when a selector hides some", async () => {
      const answer = await client.get(`${pods}?limit=3&labelSelector=x%3D1`);
      expect(namesOf(answer)).toEqual(["a", "b", "c"]);
      expect(answer.body.metadata).toMatchObject({ continue: expect.stringMatching(/./) });
      expect(answer.body.metadata).not.toHaveProperty("remainingItemCount");
    });

    it("are full and end without a token when a selector hides some", async () => {
      const { path } = await client.namespace();
      for (const name of ["a", "b", "c", "d", "e"]) {
        const labels = name === "b" || name === "c" ? { x: "0" } : { x: "1" };
        await client.create(`${path}/pods`, aPod(name, { metadata: { labels } }));
      }
      const first = await client.get(`${path}/pods?limit=2&labelSelector=x%3D1`);
      expect(namesOf(first)).toEqual(["a", "d"]);
      const last = await client.get(`${path}/pods?limit=2&labelSelector=x%3D1&continue=${continueOf(first.body)}`);
      expect(namesOf(last)).toEqual(["e"]);
      expect(last.body.metadata).not.toHaveProperty("continue");
    });

    it("show one moment, whatever happens between them", async () => {
      const { path } = await client.namespace();
      for (const name of ["a", "b", "c"]) await client.create(`${path}/pods`, aPod(name));
      const first = await client.get(`${path}/pods?limit=1`);
      await client.delete(`${path}/pods/b`);
      await client.create(`${path}/pods`, aPod("d"));
      const second = await client.get(`${path}/pods?limit=5&continue=${continueOf(first.body)}`);
      expect(namesOf(second)).toEqual(["b", "c"]);
      expect(second.body.metadata).toEqual({ resourceVersion: versionOf(first.body) });
    });

    it("have no token when everything fits", async () => {
      const answer = await client.get(`${pods}?limit=4`);
      expect(answer.body.metadata).toEqual({ resourceVersion: expect.any(String) });
    });

    it("take no version beside a token", async () => {
      const first = await client.get(`${pods}?limit=1`);
      const { body } = await client.get(`${pods}?limit=1&resourceVersion=5&continue=${continueOf(first.body)}`);
      expect(body).toMatchObject({
        code: 400,
        reason: "BadRequest",
        message: "specifying resource version is not allowed when using continue",
      });
    });
  });

  describe("versions", () => {
    it("that are not reached are a time-out with a time to try again", async () => {
      const { status, headers, body } = await client.get("/api/v1/pods?resourceVersion=99999999");
      expect(status).toBe(504);
      expect(headers["retry-after"]).toBe("1");
      expect(body).toMatchObject({
        reason: "Timeout",
        details: {
          causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
          retryAfterSeconds: 1,
        },
      });
      expect(body.message).toMatch(/^Timeout: Too large resource version: 99999999, current: \d+$/);
    });

    it("that are no numbers are refused", async () => {
      const { body } = await client.get("/api/v1/pods?resourceVersion=x");
      expect(body).toMatchObject({ code: 400, reason: "BadRequest" });
    });

    it("not older than the newest write show it", async () => {
      const { path } = await client.namespace();
      const created = await client.create(`${path}/pods`, aPod("a"));
      const answer = await client.get(
        `${path}/pods?resourceVersion=${versionOf(created)}&resourceVersionMatch=NotOlderThan`,
      );
      expect(namesOf(answer)).toEqual(["a"]);
    });

    it("can be asked for exactly", async () => {
      const { path } = await client.namespace();
      const created = await client.create(`${path}/pods`, aPod("a"));
      const answer = await client.get(`${path}/pods?resourceVersion=${versionOf(created)}&resourceVersionMatch=Exact`);
      expect(namesOf(answer)).toEqual(["a"]);
      expect(versionOf(answer.body)).toBe(versionOf(created));
    });

    it.each([
      {
        query: "resourceVersionMatch=Exact",
        message: "resourceVersionMatch is forbidden unless resourceVersion is provided",
      },
      {
        query: "resourceVersionMatch=Exact&resourceVersion=0",
        message: 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      },
      { query: "resourceVersionMatch=Other&resourceVersion=5", message: 'Unsupported value: "Other"' },
    ])("are refused as '$query'", async ({ query, message }) => {
      const { body } = await client.get(`/api/v1/pods?${query}`);
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(body.message?.toLowerCase()).toContain(message.toLowerCase());
    });
  });

  describe("custom resources", () => {
    it("are listed with kind and version in each item, and selected by declared fields", async () => {
      const things = await sharedThings(client);
      const { name } = await client.namespace();
      const path = things.pathIn(name);
      await client.create(path, things.make("a"));
      await client.create(path, things.make("b", { spec: { size: 1, color: "Blue" } }));
      const { body } = await client.get(path);
      expect(body).toMatchObject({ kind: "ThingList", apiVersion: things.apiVersion });
      expect(body.items).toMatchObject([
        { kind: "Thing", apiVersion: things.apiVersion },
        { kind: "Thing", apiVersion: things.apiVersion },
      ]);
      expect(namesOf(await client.get(`${path}?fieldSelector=spec.color%3DBlue`))).toEqual(["b"]);
      const refused = await client.get(`${path}?fieldSelector=spec.size%3D1`);
      expect(refused.status).toBe(400);
      expect(refused.body.message).toContain("field label not supported: spec.size");
    });
  });
});
