import { describe, expect, it } from "@jest/globals";
import { validateCoreEvent, validateLease, validateNewEvent } from "./events-and-leases-validation.ts";
import { validateConfigMap, validateStatefulSet } from "./built-in-validation.ts";
import { validateWebhookConfiguration } from "./extension-validation.ts";
import type { KubeJson } from "./kube-json.ts";
import { validateMetadata } from "./metadata-validation.ts";
import { parseDryRun, requireListOptions, requireNoForce, requirePropagation } from "./options.ts";
import { ApiError, type FieldCause } from "./status.ts";
import { aConfigMap } from "./test-client.ts";

const fieldsOf = (causes: readonly FieldCause[]) => causes.map(({ field }) => field);

/** The message of the refusal; undefined when there is none. */
function refusalOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.message}`;
    throw error;
  }
}

describe("metadata", () => {
  it.each([
    { name: "nothing", metadata: {}, want: [] },
    { name: "a label with a domain", metadata: { labels: { "example.com/a": "b.c_d-1" } }, want: [] },
    { name: "a label key of two slashes", metadata: { labels: { "a/b/c": "" } }, want: ["metadata.labels"] },
    { name: "a label key with an empty domain", metadata: { labels: { "/a": "" } }, want: ["metadata.labels"] },
    { name: "a label key with a bad domain", metadata: { labels: { "A_/a": "" } }, want: ["metadata.labels"] },
    {
      name: "a bad key and a bad value",
      metadata: { labels: { "-": "-" } },
      want: ["metadata.labels", "metadata.labels"],
    },
    {
      name: "an annotation with capitals in its domain",
      metadata: { annotations: { "Example.com/A": "any thing" } },
      want: [],
    },
    {
      name: "annotations of 256 KiB, keys included",
      metadata: { annotations: { a: "x".repeat(262_143) } },
      want: [],
    },
    {
      name: "annotations of more, keys included",
      metadata: { annotations: { ab: "x".repeat(262_143) } },
      want: ["metadata.annotations"],
    },
    { name: "finalizers of Kubernetes", metadata: { finalizers: ["orphan", "foregroundDeletion"] }, want: [] },
    { name: "a finalizer without a domain", metadata: { finalizers: ["mine"] }, want: ["metadata.finalizers[0]"] },
    {
      name: "an owner that says nothing",
      metadata: { ownerReferences: [{ apiVersion: "", kind: "", name: "", uid: "" }] },
      want: ["apiVersion", "kind", "name", "uid"].map((member) => `metadata.ownerReferences.${member}`),
    },
  ])("has the right faults: $name", ({ metadata, want }) => {
    expect(fieldsOf(validateMetadata(aConfigMap("a", { metadata }), undefined, true))).toEqual(want);
  });

  it("asks no domain of the finalizers of custom resources", () => {
    const thing = aConfigMap("a", { metadata: { finalizers: ["mine"] } });
    expect(validateMetadata(thing, undefined, false)).toEqual([]);
  });
});

describe("options", () => {
  it.each([
    { query: "", watch: false, want: undefined },
    { query: "resourceVersion=5&resourceVersionMatch=Exact", watch: false, want: undefined },
    { query: "resourceVersion=0&resourceVersionMatch=NotOlderThan", watch: false, want: undefined },
    { query: "resourceVersion=0&resourceVersionMatch=Exact", watch: false, want: "is forbidden for resourceVersion" },
    { query: "resourceVersionMatch=Exact", watch: false, want: "is forbidden unless resourceVersion is provided" },
    { query: "resourceVersion=5&resourceVersionMatch=Some", watch: false, want: "Unsupported value" },
    { query: "resourceVersion=5&resourceVersionMatch=Exact", watch: true, want: "is forbidden for watch" },
    { query: "sendInitialEvents=true", watch: false, want: "sendInitialEvents is forbidden for list" },
    { query: "sendInitialEvents=true", watch: true, want: "requires setting resourceVersionMatch to NotOlderThan" },
    { query: "sendInitialEvents=true&resourceVersionMatch=NotOlderThan", watch: true, want: undefined },
  ])("of a list or watch (watch: $watch) are checked: '$query'", ({ query, watch, want }) => {
    const refusal = refusalOf(() => {
      requireListOptions(new URLSearchParams(query), watch);
    });
    if (want === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toMatch(new RegExp(`^422 ListOptions\\.meta\\.k8s\\.io "" is invalid: .*${want}`));
  });

  it.each([
    { method: "POST", want: "CreateOptions" },
    { method: "PUT", want: "UpdateOptions" },
    { method: "PATCH", want: "PatchOptions" },
    { method: "DELETE", want: "DeleteOptions" },
  ])("of a $method refuse a dry run that is none as $want", ({ method, want }) => {
    expect(parseDryRun(method, new URLSearchParams("dryRun=All"))).toBe(true);
    expect(parseDryRun(method, new URLSearchParams(""))).toBe(false);
    expect(refusalOf(() => parseDryRun(method, new URLSearchParams("dryRun=x")))).toBe(
      `422 ${want}.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All"`,
    );
  });

  it("let only an apply force", () => {
    const force = (query: string) => () => {
      requireNoForce(new URLSearchParams(query));
    };
    expect(refusalOf(force(""))).toBeUndefined();
    expect(refusalOf(force("force=true"))).toContain("force: Forbidden: may not be specified for non-apply patch");
  });

  it.each([
    { policy: undefined, orphan: undefined, want: undefined },
    { policy: "Foreground", orphan: undefined, want: undefined },
    { policy: undefined, orphan: true, want: undefined },
    { policy: "Foreground", orphan: false, want: "cannot be both set" },
    { policy: "Sideways", orphan: undefined, want: 'Unsupported value: "Sideways"' },
  ])("of a deletion take one known policy: $policy, orphanDependents $orphan", ({ policy, orphan, want }) => {
    const refusal = refusalOf(() => {
      requirePropagation(policy, orphan);
    });
    if (want === undefined) expect(refusal).toBeUndefined();
    else expect(refusal).toContain(want);
  });
});

describe("leases and events", () => {
  const inDefault = { name: "e", namespace: "default" };
  const anEvent = (more: KubeJson = {}): KubeJson => ({
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: inDefault,
    eventTime: "2026-01-01T00:00:00.000000Z",
    reportingController: "example.com/me",
    reportingInstance: "me-0",
    action: "A",
    reason: "R",
    type: "Normal",
    regarding: { kind: "Pod", name: "p", namespace: "default" },
    ...more,
  });

  it.each([
    { name: "a good one", more: {}, want: [] },
    { name: "without a time", more: { eventTime: undefined }, want: ["eventTime"] },
    { name: "with a count of the old style", more: { deprecatedCount: 1 }, want: ["count"] },
    { name: "with a controller that is no name", more: { reportingController: "a b" }, want: ["reportingController"] },
    { name: "with a series of one", more: { series: { count: 1 } }, want: ["series.count", "series.lastObservedTime"] },
    {
      name: "about a node, elsewhere",
      more: { metadata: { ...inDefault, namespace: "x" }, regarding: { kind: "Node" } },
      want: ["involvedObject.namespace"],
    },
  ])("an event of the new group has the right faults: $name", ({ more, want }) => {
    expect(fieldsOf(validateNewEvent(anEvent(more), undefined))).toEqual(want);
  });

  it("an event of the new group changes in its series only", () => {
    const series = { count: 2, lastObservedTime: "2026-01-01T00:00:00.000000Z" };
    expect(validateNewEvent(anEvent({ series }), anEvent())).toEqual([]);
    expect(fieldsOf(validateNewEvent(anEvent({ note: "new" }), anEvent()))).toEqual(["message"]);
  });

  it.each([
    { name: "with its subject", namespace: "x", want: [] },
    { name: "elsewhere", namespace: "default", want: ["involvedObject.namespace"] },
  ])("an event of the old style lives $name", ({ namespace, want }) => {
    const involvedObject = { kind: "Pod", name: "p", namespace: "x" };
    const event = { apiVersion: "v1", kind: "Event", metadata: { name: "e", namespace }, involvedObject };
    expect(fieldsOf(validateCoreEvent(event))).toEqual(want);
  });

  it("a lease has times to the microsecond", () => {
    const lease = (renewTime: string) => ({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", spec: { renewTime } });
    expect(validateLease(lease("2026-01-01T00:00:00.000001+08:00"))).toEqual([]);
    expect(refusalOf(() => validateLease(lease("2026-01-01T00:00:00Z")))).toMatch(/^400 Lease in version "v1" cannot/);
  });
});

describe("other kinds", () => {
  it("an immutable config map keeps its data and stays immutable", () => {
    const old = { data: { x: "1" }, immutable: true };
    expect(validateConfigMap(aConfigMap("a", old), aConfigMap("a", old))).toEqual([]);
    expect(fieldsOf(validateConfigMap(aConfigMap("a", { data: {} }), aConfigMap("a", old)))).toEqual([
      "immutable",
      "data",
    ]);
  });

  it("a stateful set changes in its replicas and template, not in its service", () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const spec = { selector: { matchLabels: { a: "b" } }, template, replicas: 1, serviceName: "s" };
    expect(validateStatefulSet({ spec: { ...spec, replicas: 2 } }, { spec })).toEqual([]);
    expect(fieldsOf(validateStatefulSet({ spec: { ...spec, serviceName: "t" } }, { spec }))).toEqual(["spec"]);
  });

  it.each([
    { name: "time-out", change: { timeoutSeconds: 31 }, want: ["webhooks[0].timeoutSeconds"] },
    { name: "policy", change: { failurePolicy: "Maybe" }, want: ["webhooks[0].failurePolicy"] },
    { name: "scheme", change: { clientConfig: { url: "http://x" } }, want: ["webhooks[0].clientConfig.url"] },
    {
      name: "empty list of versions",
      change: { admissionReviewVersions: [] },
      want: ["webhooks[0].admissionReviewVersions"],
    },
  ])("a webhook is refused for its $name", ({ change, want }) => {
    const webhook = {
      name: "a.b.c",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      clientConfig: { url: "https://x" },
      ...change,
    };
    expect(fieldsOf(validateWebhookConfiguration({ webhooks: [webhook] }))).toEqual(want);
  });
});
