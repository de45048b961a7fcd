import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { namesOf, versionOf, type Client } from "./client.ts";
import { aLease, aPod } from "./objects.ts";

describeApi("leases and events", (api) => {
  let client: Client;
  let namespace: { readonly name: string; readonly path: string };
  beforeAll(() => {
    client = api.client;
  });
  beforeEach(async () => {
    namespace = await client.namespace();
  });

  describe("a lease", () => {
    let leases: string;
    beforeEach(() => {
      leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace.name}/leases`;
    });
    const held = {
      holderIdentity: "one",
      leaseDurationSeconds: 15,
      acquireTime: "2026-01-01T00:00:00.000001Z",
      renewTime: "2026-01-01T00:00:05.123456Z",
      leaseTransitions: 1,
    };

    it("keeps its times to the microsecond", async () => {
      const created = await client.create(leases, aLease("a", held));
      expect(created["spec"]).toEqual(held);
    });

    it("is renewed by whoever knows its version, and by nobody else", async () => {
      const created = await client.create(leases, aLease("a", held));
      const renewed = await client.put(`${leases}/a`, {
        ...created,
        spec: { ...held, renewTime: "2026-01-01T00:00:06.000000Z" },
      });
      expect(renewed.status).toBe(200);
      const taken = await client.put(`${leases}/a`, { ...created, spec: { ...held, holderIdentity: "two" } });
      expect(taken.body).toMatchObject({
        code: 409,
        reason: "Conflict",
        details: { name: "a", group: "coordination.k8s.io", kind: "leases" },
        message:
          'Operation cannot be fulfilled on leases.coordination.k8s.io "a": the object has been modified; please apply your changes to the latest version and try again',
      });
      expect((await client.get(`${leases}/a`)).body.spec).toMatchObject({ holderIdentity: "one" });
    });

    it("goes to one of many who want it at once", async () => {
      const created = await client.create(leases, aLease("a", { holderIdentity: "" }));
      const answers = await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          client.put(`${leases}/a`, { ...created, spec: { ...held, holderIdentity: `${index}` } }),
        ),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(5);
    });

    it("is created by one of many at once", async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => client.post(leases, aLease("a", held))));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    });

    it.each([
      { name: "a duration of nothing", spec: { leaseDurationSeconds: 0 }, field: "spec.leaseDurationSeconds" },
      { name: "a negative duration", spec: { leaseDurationSeconds: -1 }, field: "spec.leaseDurationSeconds" },
      { name: "negative transitions", spec: { leaseTransitions: -1 }, field: "spec.leaseTransitions" },
    ])("refuses $name", async ({ spec, field }) => {
      const { body } = await client.post(leases, aLease("a", { ...held, ...spec }));
      expect(body).toMatchObject({ code: 422, reason: "Invalid", details: { causes: [{ field }] } });
    });

    it.each([{ renewTime: "now" }, { renewTime: "2026-01-01T00:00:05Z" }, { renewTime: "2026-01-01T00:00:05.123Z" }])(
      "refuses a time that has no microseconds: $renewTime",
      async ({ renewTime }) => {
        const { body } = await client.post(leases, aLease("a", { renewTime }));
        expect(body).toMatchObject({ code: 400, reason: "BadRequest" });
        expect(body.message).toContain(
          `Lease in version "v1" cannot be handled as a Lease: parsing time "${renewTime}" as "2006-01-02T15:04:05.000000Z07:00"`,
        );
      },
    );

    it("keeps annotations, which change with each renewal", async () => {
      const created = await client.create(leases, aLease("a", held));
      const annotations = { "example.com/used": "12" };
      const { body } = await client.put(`${leases}/a`, { ...created, metadata: { ...created.metadata, annotations } });
      expect(body.metadata?.annotations).toEqual(annotations);
      expect(versionOf(body)).not.toBe(versionOf(created));
    });

    it("is given back by emptying its holder", async () => {
      const created = await client.create(leases, aLease("a", held));
      const { body } = await client.put(`${leases}/a`, {
        ...created,
        spec: { ...held, holderIdentity: "", leaseDurationSeconds: 1 },
      });
      expect(body.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    });
  });

  describe("an event", () => {
    let core: string;
    let modern: string;
    beforeEach(() => {
      core = `${namespace.path}/events`;
      modern = `/apis/events.k8s.io/v1/namespaces/${namespace.name}/events`;
    });
    const anEvent = (name: string, more: object = {}) => ({
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: { name },
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "example.com/me",
      reportingInstance: "me-0",
      action: "Attach",
      reason: "Attached",
      regarding: { apiVersion: "v1", kind: "Pod", name: "p", namespace: namespace.name, uid: "u" },
      note: "hello",
      type: "Normal",
      ...more,
    });

    it("is shown in both API groups", async () => {
      await client.create(modern, anEvent("e"));
      const { body } = await client.get(`${core}/e`);
      expect(body).toMatchObject({
        apiVersion: "v1",
        kind: "Event",
        message: "hello",
        reason: "Attached",
        type: "Normal",
        action: "Attach",
        involvedObject: { kind: "Pod", name: "p", uid: "u" },
        reportingComponent: "example.com/me",
        reportingInstance: "me-0",
        eventTime: "2026-01-01T00:00:00.000000Z",
      });
      expect((await client.get(`${modern}/e`)).body).toMatchObject({
        apiVersion: "events.k8s.io/v1",
        note: "hello",
        regarding: { name: "p" },
      });
    });

    it("is found by what it is about", async () => {
      await client.create(modern, anEvent("e"));
      const regarding = { apiVersion: "v1", kind: "Pod", name: "q", namespace: namespace.name };
      await client.create(modern, anEvent("f", { regarding, type: "Warning" }));
      for (const [path, selector] of [
        [core, "involvedObject.name=q,involvedObject.kind=Pod"],
        [core, "type=Warning"],
        [core, `involvedObject.namespace=${namespace.name},involvedObject.name!=p`],
        [modern, "regarding.name=q"],
      ] as const) {
        const answer = await client.get(`${path}?fieldSelector=${encodeURIComponent(selector)}`);
        expect(namesOf(answer)).toEqual(["f"]);
      }
    });

    it("counts in a series by patches", async () => {
      await client.create(modern, anEvent("e"));
      const series = { count: 2, lastObservedTime: "2026-01-01T00:01:00.000000Z" };
      const { status, body } = await client.merge(`${modern}/e`, { series });
      expect(status).toBe(200);
      expect(body).toMatchObject({ series });
      expect((await client.get(`${core}/e`)).body).toMatchObject({ series });
    });

    it("counts by patches in the core group", async () => {
      const involvedObject = { apiVersion: "v1", kind: "Pod", name: "p", namespace: namespace.name };
      await client.create(core, {
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "e" },
        involvedObject,
        reason: "R",
        message: "m",
        source: { component: "me" },
        firstTimestamp: "2026-01-01T00:00:00Z",
        lastTimestamp: "2026-01-01T00:00:00Z",
        count: 1,
        type: "Normal",
      });
      const { body } = await client.patch("strategic", `${core}/e`, {
        count: 2,
        lastTimestamp: "2026-01-01T00:01:00Z",
      });
      expect(body).toMatchObject({ count: 2, lastTimestamp: "2026-01-01T00:01:00Z", source: { component: "me" } });
      expect((await client.get(`${modern}/e`)).body).toMatchObject({
        deprecatedCount: 2,
        deprecatedLastTimestamp: "2026-01-01T00:01:00Z",
        deprecatedSource: { component: "me" },
      });
    });

    it.each([
      { name: "without an action", change: { action: "" }, field: "action" },
      { name: "without a reason", change: { reason: "" }, field: "reason" },
      { name: "without a controller", change: { reportingController: "" }, field: "reportingController" },
      { name: "without an instance", change: { reportingInstance: "" }, field: "reportingInstance" },
      { name: "of an unknown type", change: { type: "Bad" }, field: "type" },
      { name: "with a note of more than 1024 bytes", change: { note: "x".repeat(1025) }, field: "message" },
    ])("is refused $name", async ({ change, field }) => {
      const { body } = await client.post(modern, anEvent("e", change));
      expect(body).toMatchObject({ code: 422, reason: "Invalid" });
      expect(new Set(body.details?.causes?.map((cause) => cause.field))).toEqual(new Set([field]));
    });

    it("about something without a namespace lives in default", async () => {
      const regarding = { apiVersion: "v1", kind: "Node", name: "n" };
      await client.eventually("/api/v1/namespaces/default", ({ status }) => status === 200);
      const name = `e-${namespace.name}`;
      const { status } = await client.post(
        "/apis/events.k8s.io/v1/namespaces/default/events",
        anEvent(name, { regarding }),
      );
      expect(status).toBe(201);
      const refused = await client.post(modern, anEvent("e", { regarding }));
      expect(refused.status).toBe(422);
    });
  });

  it("a pod's conditions keep their times as written", async () => {
    const pods = `${namespace.path}/pods`;
    await client.create(pods, aPod("a"));
    const condition = {
      type: "example.com/ready",
      status: "True",
      lastTransitionTime: "2026-01-01T00:00:00Z",
      reason: "R",
      message: "m",
    };
    const { body } = await client.patch("strategic", `${pods}/a/status`, { status: { conditions: [condition] } });
    const { conditions } = body.status as { conditions: readonly object[] };
    expect(conditions).toMatchObject([condition]);
  });
});
