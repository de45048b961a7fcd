import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { KubeJson } from "./kube-json.ts";
import { applyPatch, conflictMessage, trackUpdate, type ApplyResult } from "./server-side-apply.ts";
import type { JsonSchema } from "./structural-schema.ts";

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

function fieldsOf(object: KubeJson, manager: string, operation?: "Apply" | "Update"): unknown {
  return object.metadata?.managedFields?.find(
    (entry) => entry.manager === manager && (operation === undefined || entry.operation === operation),
  )?.fieldsV1;
}

function managersOf(object: KubeJson): unknown[] {
  return (object.metadata?.managedFields ?? []).map(({ manager }) => manager);
}

describe("an apply", () => {
  it("creates what does not exist and owns what it set", () => {
    const object = applied(undefined, configMap({ a: "1" }, { labels: { l: "x" } }), "me");
    expect(object).toEqual({
      ...configMap({ a: "1" }, { labels: { l: "x" } }),
      metadata: {
        name: "c",
        labels: { l: "x" },
        managedFields: [
          {
            manager: "me",
            operation: "Apply",
            apiVersion: "v1",
            time: nowIso,
            fieldsType: "FieldsV1",
            fieldsV1: { "f:metadata": { "f:labels": { "f:l": {} } }, "f:data": { "f:a": {} } },
          },
        ],
      },
    });
  });

  it("keeps what others own and it does not mention", () => {
    const object = applied(create(configMap({ a: "1", b: "2" })), configMap({ c: "3" }), "me");
    expect(object["data"]).toEqual({ a: "1", b: "2", c: "3" });
  });

  it("conflicts with another manager's value and changes nothing", () => {
    const live = create(configMap({ a: "1" }), "kubectl-edit");
    const { object, conflicts } = apply(live, configMap({ a: "2" }), "me");
    expect(object).toBe(live);
    expect(conflicts.map(({ manager, field }) => ({ manager, field }))).toEqual([
      { manager: "kubectl-edit", field: ".data.a" },
    ]);
    expect(conflictMessage(conflicts)).toBe(
      `Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a`,
    );
  });

  it("lists several conflicts by manager", () => {
    const live = applied(create(configMap({ a: "1", b: "1" })), configMap({ c: "1" }), "other");
    const { conflicts } = apply(live, configMap({ a: "2", b: "2", c: "2" }), "me");
    expect(conflictMessage(conflicts).split("\n")).toEqual([
      `Apply failed with 3 conflicts: conflicts with "creator" using v1:`,
      "- .data.a",
      "- .data.b",
      'conflicts with "other":',
      "- .data.c",
    ]);
  });

  it("takes the field over with force", () => {
    const object = applied(create(configMap({ a: "1", b: "1" })), configMap({ a: "2" }), "me", { force: true });
    expect(object["data"]).toEqual({ a: "2", b: "1" });
    expect(fieldsOf(object, "creator")).toEqual({ "f:data": { ".": {}, "f:b": {} } });
    expect(fieldsOf(object, "me")).toEqual({ "f:data": { "f:a": {} } });
  });

  it("shares a field of equal value", () => {
    const object = applied(create(configMap({ a: "1" })), configMap({ a: "1" }), "me");
    expect(fieldsOf(object, "creator")).toEqual({ "f:data": { ".": {}, "f:a": {} } });
    expect(fieldsOf(object, "me")).toEqual({ "f:data": { "f:a": {} } });
  });

  it("removes what it no longer applies", () => {
    const object = applied(applied(undefined, configMap({ a: "1", b: "2" }), "me"), configMap({ a: "1" }), "me");
    expect(object["data"]).toEqual({ a: "1" });
  });

  it("removes the last of a map with the map", () => {
    const first = applied(undefined, configMap({ a: "1" }, { labels: { l: "x" } }), "me");
    expect(applied(first, configMap({ a: "1" }), "me").metadata).not.toHaveProperty("labels");
  });

  it("leaves what somebody else owns too", () => {
    const first = applied(applied(undefined, configMap({ a: "1" }), "me"), configMap({ a: "1" }), "other");
    const object = applied(first, configMap({}), "me");
    expect(object["data"]).toEqual({ a: "1" });
    expect(fieldsOf(object, "me")).toEqual({ "f:data": {} });
  });

  it("records everything there was as before-first-apply when nothing was recorded", () => {
    const object = applied(configMap({ a: "1" }), configMap({ b: "2" }), "me");
    expect(fieldsOf(object, "before-first-apply")).toEqual({ "f:data": { ".": {}, "f:a": {} } });
  });

  it("keeps its time when nothing changes", () => {
    const first = applied(undefined, configMap({ a: "1" }), "me");
    expect(applied(first, configMap({ a: "1" }), "me", { nowIso: later })).toEqual(first);
  });
});

describe("an apply to lists", () => {
  const cases: { name: string; live: Fields; config: Fields; expected: Fields }[] = [
    {
      name: "merges containers by name",
      live: {
        containers: [
          { name: "a", image: "1" },
          { name: "b", image: "1" },
        ],
      },
      config: { containers: [{ name: "b", tty: true }] },
      expected: {
        containers: [
          { name: "a", image: "1" },
          { name: "b", image: "1", tty: true },
        ],
      },
    },
    {
      name: "adds new items behind the live ones that the applied order puts first",
      live: { containers: [{ name: "a" }, { name: "b" }] },
      config: { containers: [{ name: "b" }, { name: "x" }] },
      expected: { containers: [{ name: "a" }, { name: "b" }, { name: "x" }] },
    },
    {
      name: "puts new items before the live ones that follow them in the applied order",
      live: { containers: [{ name: "a" }, { name: "b" }] },
      config: { containers: [{ name: "x" }, { name: "b" }] },
      expected: { containers: [{ name: "a" }, { name: "x" }, { name: "b" }] },
    },
    {
      name: "identifies ports by number and protocol, which is TCP by default",
      live: {
        containers: [
          {
            name: "a",
            ports: [
              { containerPort: 53, protocol: "TCP" },
              { containerPort: 53, protocol: "UDP" },
            ],
          },
        ],
      },
      config: { containers: [{ name: "a", ports: [{ containerPort: 53, name: "dns" }] }] },
      expected: {
        containers: [
          {
            name: "a",
            ports: [
              { containerPort: 53, protocol: "TCP", name: "dns" },
              { containerPort: 53, protocol: "UDP" },
            ],
          },
        ],
      },
    },
    {
      name: "replaces atomic lists",
      live: {},
      config: { tolerations: [{ key: "a" }] },
      expected: { tolerations: [{ key: "a" }] },
    },
  ];
  it.each(cases)("$name", ({ live, config, expected }) => {
    expect(applied(create(pod(live)), pod(config), "me")["spec"]).toEqual(expected);
  });

  it("owns items and their fields", () => {
    const object = applied(
      undefined,
      pod({ containers: [{ name: "a", image: "1" }], tolerations: [{ key: "k" }] }),
      "me",
    );
    expect(fieldsOf(object, "me")).toEqual({
      "f:spec": {
        "f:containers": { 'k:{"name":"a"}': { ".": {}, "f:name": {}, "f:image": {} } },
        "f:tolerations": {},
      },
    });
  });

  it("removes an item that it no longer applies", () => {
    const first = applied(undefined, pod({ containers: [{ name: "a" }, { name: "b" }] }), "me");
    expect(applied(first, pod({ containers: [{ name: "a" }] }), "me")["spec"]).toEqual({ containers: [{ name: "a" }] });
  });

  it("keeps an item in which somebody else owns a field", () => {
    const first = applied(undefined, pod({ containers: [{ name: "a" }, { name: "b", image: "1" }] }), "me");
    const second = applied(first, pod({ containers: [{ name: "b", tty: true }] }), "other");
    const third = applied(second, pod({ containers: [{ name: "a" }] }), "me");
    expect(third["spec"]).toEqual({ containers: [{ name: "a" }, { name: "b", tty: true }] });
  });

  it("treats finalizers as a set", () => {
    const live = create(pod({}, { finalizers: ["a"] }));
    const object = applied(live, pod({}, { finalizers: ["b"] }), "me");
    expect(object.metadata?.finalizers).toEqual(["a", "b"]);
    expect(fieldsOf(object, "me")).toEqual({ "f:metadata": { "f:finalizers": { 'v:"b"': {} } }, "f:spec": {} });
    expect(applied(object, pod({}), "me").metadata?.finalizers).toEqual(["a"]);
  });

  it("conflicts over an atomic list as a whole", () => {
    const live = create(pod({ tolerations: [{ key: "a" }] }));
    const { conflicts } = apply(live, pod({ tolerations: [{ key: "b" }] }), "me");
    expect(conflicts.map(({ field }) => field)).toEqual([".spec.tolerations"]);
  });

  it("names a field of an item by the item's keys", () => {
    const live = create(pod({ containers: [{ name: "a", image: "1" }] }));
    const { conflicts } = apply(live, pod({ containers: [{ name: "a", image: "2" }] }), "me");
    expect(conflicts.map(({ field }) => field)).toEqual(['.spec.containers[name="a"].image']);
  });

  it("identifies the ports of a Service by port", () => {
    const service = (ports: Fields[]) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s" },
      spec: { ports },
    });
    const object = applied(
      create(service([{ port: 80, protocol: "TCP" }])),
      service([{ port: 80, name: "http" }]),
      "me",
    );
    expect(object["spec"]).toEqual({ ports: [{ port: 80, protocol: "TCP", name: "http" }] });
  });
});

describe("an apply to a custom resource", () => {
  const text: JsonSchema = { type: "string" };
  const schema: JsonSchema = {
    type: "object",
    properties: {
      spec: {
        type: "object",
        properties: {
          plain: { type: "array", items: text },
          set: { type: "array", items: text, "x-kubernetes-list-type": "set" },
          containers: { type: "array", items: { type: "object", properties: { name: text } } },
          keyed: {
            type: "array",
            items: { type: "object", properties: { id: text, v: text } },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
          },
          atom: { type: "object", additionalProperties: text, "x-kubernetes-map-type": "atomic" },
        },
      },
    },
  };
  const custom = (spec: Fields, metadata: Fields = {}): KubeJson => ({
    apiVersion: "g/v1",
    kind: "K",
    metadata: { name: "k", ...metadata },
    spec,
  });
  const cases: { name: string; live: Fields; config: Fields; force?: boolean; expected: Fields }[] = [
    {
      name: "a plain list is atomic",
      live: { plain: ["a"] },
      config: { plain: ["b"] },
      force: true,
      expected: { plain: ["b"] },
    },
    { name: "a set is merged", live: { set: ["a"] }, config: { set: ["b"] }, expected: { set: ["a", "b"] } },
    {
      name: "a keyed list is merged",
      live: { keyed: [{ id: "1" }] },
      config: { keyed: [{ id: "1", v: "x" }, { id: "2" }] },
      expected: { keyed: [{ id: "1", v: "x" }, { id: "2" }] },
    },
    {
      name: "names of built-in fields mean nothing",
      live: { containers: [{ name: "a" }] },
      config: { containers: [{ name: "b" }] },
      force: true,
      expected: { containers: [{ name: "b" }] },
    },
    {
      name: "an atomic map is replaced",
      live: { atom: { a: "1" } },
      config: { atom: { b: "1" } },
      force: true,
      expected: { atom: { b: "1" } },
    },
  ];
  it.each(cases)("$name", ({ live, config, force = false, expected }) => {
    const before = create(custom(live), "creator", { schema });
    expect(applied(before, custom(config), "me", { schema, force })["spec"]).toEqual(expected);
  });

  it("has metadata like any object", () => {
    const before = create(custom({}, { finalizers: ["a"] }), "creator", { schema });
    expect(applied(before, custom({}, { finalizers: ["b"] }), "me", { schema }).metadata?.finalizers).toEqual([
      "a",
      "b",
    ]);
  });
});

describe("for any two configurations", () => {
  const word = fc.constantFrom("a", "b", "c", "d");
  const data = fc.dictionary(word, word, { maxKeys: 4 });
  const env = fc.uniqueArray(fc.record({ name: word, value: word }), { selector: ({ name }) => name, maxLength: 4 });
  const config = fc
    .record({ labels: data, env, finalizers: fc.uniqueArray(word, { maxLength: 3 }) })
    .map(({ labels, env: variables, finalizers }) =>
      pod({ containers: [{ name: "main", env: variables }] }, { labels, finalizers }),
    );

  it("applying twice is applying once", () => {
    fc.assert(
      fc.property(config, config, (live, next) => {
        const once = applied(create(live), next, "me", { force: true });
        expect(applied(once, next, "me", { nowIso: later })).toEqual(once);
      }),
    );
  });

  it("the last configuration of a single manager is the object", () => {
    fc.assert(
      fc.property(config, config, (first, next) => {
        const object = applied(applied(undefined, first, "me"), next, "me");
        const alone = applied(undefined, next, "me");
        expect(normal(object)).toEqual(normal(alone));
      }),
    );
  });

  it("an update of everything back and forth leaves one owner of each field", () => {
    fc.assert(
      fc.property(config, config, (first, next) => {
        const object = trackUpdate({ before: create(first), after: next, manager: "editor", nowIso });
        const back = trackUpdate({ before: object, after: { ...next }, manager: "third", nowIso });
        expect(managersOf(back)).not.toContain("third");
      }),
    );
  });

  /** Without empty lists and maps, which an apply leaves out or keeps depending on what was there. */
  function normal(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(normal);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).filter(([key]) => key !== "managedFields");
    return Object.fromEntries(
      entries
        .map(([key, field]) => [key, normal(field)] as const)
        .filter(([, field]) => typeof field !== "object" || field === null || Object.keys(field).length > 0),
    );
  }
});
