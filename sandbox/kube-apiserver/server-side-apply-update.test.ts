import { describe, expect, it } from "@jest/globals";
import type { KubeJson } from "./kube-json.ts";
import { applyPatch, trackUpdate, type ApplyResult } from "./server-side-apply.ts";

const nowIso = "2026-01-01T00:00:00Z";
const later = "2026-01-02T00:00:00Z";

type Fields = Record<string, unknown>;

function configMap(data: Fields, metadata: Fields = {}): KubeJson {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c", ...metadata }, data };
}

function pod(spec: Fields, metadata: Fields = {}): KubeJson {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p", ...metadata }, spec };
}

function apply(live: KubeJson | undefined, applied: KubeJson, manager: string, options: Fields = {}): ApplyResult {
  return applyPatch({ live, applied, manager, force: false, nowIso, ...options });
}

/** Applies and insists that there is no conflict. */
function applied(live: KubeJson | undefined, configuration: KubeJson, manager: string, options: Fields = {}): KubeJson {
  const result = apply(live, configuration, manager, options);
  expect(result.conflicts).toEqual([]);
  return result.object;
}

function create(object: KubeJson, manager = "creator", options: Fields = {}): KubeJson {
  return trackUpdate({ before: undefined, after: object, manager, nowIso, ...options });
}

function update(before: KubeJson, changes: KubeJson, manager: string, options: Fields = {}): KubeJson {
  const after = { ...before, ...changes, metadata: { ...before.metadata, ...changes.metadata } };
  return trackUpdate({ before, after, manager, nowIso: later, ...options });
}

function fieldsOf(object: KubeJson, manager: string, operation?: "Apply" | "Update"): unknown {
  return object.metadata?.managedFields?.find(
    (entry) => entry.manager === manager && (operation === undefined || entry.operation === operation),
  )?.fieldsV1;
}

function managersOf(object: KubeJson): unknown[] {
  return (object.metadata?.managedFields ?? []).map(({ manager }) => manager);
}

describe("a plain write", () => {
  it("owns everything it creates, but not what the server sets", () => {
    const object = create(
      configMap({ a: "1" }, { uid: "u", resourceVersion: "1", generation: 1, creationTimestamp: nowIso }),
    );
    expect(object.metadata?.managedFields).toEqual([
      {
        manager: "creator",
        operation: "Update",
        apiVersion: "v1",
        time: nowIso,
        fieldsType: "FieldsV1",
        fieldsV1: { "f:data": { ".": {}, "f:a": {} } },
      },
    ]);
  });

  it("takes what it changes from its owner", () => {
    const object = update(create(configMap({ a: "1", b: "1" })), { data: { a: "2", b: "1" } }, "editor");
    expect(fieldsOf(object, "creator")).toEqual({ "f:data": { ".": {}, "f:b": {} } });
    expect(fieldsOf(object, "editor")).toEqual({ "f:data": { "f:a": {} } });
  });

  it("drops the ownership of what it removes", () => {
    const object = update(create(configMap({ a: "1", b: "1" })), { data: { b: "1" } }, "editor");
    expect(fieldsOf(object, "creator")).toEqual({ "f:data": { ".": {}, "f:b": {} } });
    expect(managersOf(object)).toEqual(["creator"]);
  });

  it("forgets a manager that owns nothing any more", () => {
    const object = update(create(configMap({ a: "1" })), { data: { a: "2" } }, "editor");
    expect(managersOf(update(object, { data: undefined }, "editor"))).toEqual([]);
  });

  it("keeps entries per subresource apart", () => {
    const status = { conditions: [{ type: "Ready", status: "True" }] };
    const object = update(create(pod({})), { status }, "creator", { subresource: "status" });
    expect(object.metadata?.managedFields).toHaveLength(2);
    expect(object.metadata?.managedFields?.[1]).toMatchObject({ manager: "creator", subresource: "status" });
  });

  it("changes nothing when nothing changed", () => {
    const object = create(configMap({ a: "1" }));
    expect(update(object, {}, "editor")).toEqual(object);
  });

  it("keeps the entries when the client sends none", () => {
    const object = create(configMap({ a: "1" }));
    const after = configMap({ a: "1", b: "2" });
    const next = trackUpdate({ before: object, after, manager: "editor", nowIso: later });
    expect(managersOf(next)).toEqual(["creator", "editor"]);
  });

  it("forgets all entries when the client sends an empty list", () => {
    const after = configMap({ a: "1" }, { managedFields: [] });
    const next = trackUpdate({ before: create(configMap({ a: "1" })), after, manager: "editor", nowIso });
    expect(next.metadata).not.toHaveProperty("managedFields");
  });

  it("is an owner apart from an apply of the same manager", () => {
    const object = update(applied(undefined, configMap({ a: "1" }), "me"), { data: { a: "1", b: "2" } }, "me");
    expect(fieldsOf(object, "me", "Apply")).toEqual({ "f:data": { "f:a": {} } });
    expect(fieldsOf(object, "me", "Update")).toEqual({ "f:data": { "f:b": {} } });
  });

  it("owns everything below a field that becomes an object", () => {
    const object = update(create(pod({ x: "text" })), { spec: { x: { y: 1 } } }, "editor");
    expect(fieldsOf(object, "editor")).toEqual({ "f:spec": { "f:x": { ".": {}, "f:y": {} } } });
  });

  it("merges the oldest of more than ten update managers", () => {
    let object = create(configMap({ k: "0" }), "m0");
    for (let index = 1; index <= 12; index++) {
      const data = { ...(object["data"] as Fields), [`k${index}`]: "x" };
      object = trackUpdate({
        before: object,
        after: { ...object, data },
        manager: `m${index}`,
        nowIso: `2026-01-01T00:00:${String(index).padStart(2, "0")}Z`,
      });
    }
    expect(managersOf(object)).toHaveLength(10);
    expect(managersOf(object)).toContain("ancient-changes");
    expect(fieldsOf(object, "ancient-changes")).toMatchObject({ "f:data": { "f:k": {}, "f:k1": {}, "f:k2": {} } });
  });
});

describe("the bookkeeping of a write", () => {
  it("costs less than a millisecond of CPU for an object of the size of a pod, its copy included", () => {
    const env = Array.from({ length: 10 }, (_, index) => ({ name: `E${index}`, value: "v" }));
    const containers = ["a", "b", "c"].map((name) => ({ name, image: "i", env, ports: [{ containerPort: 80 }] }));
    let object = create(pod({ containers }, { labels: { app: "x" } }));
    // CPU time, not wall time: other tests run beside this one.
    const started = process.cpuUsage();
    for (let index = 0; index < 1_000; index++) {
      const copy = JSON.parse(JSON.stringify(object)) as KubeJson;
      object = update(copy, { status: { phase: String(index) } }, "kubelet", { subresource: "status" });
    }
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});
