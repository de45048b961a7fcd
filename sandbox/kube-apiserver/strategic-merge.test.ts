import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import type { KubeJson } from "./kube-json.ts";
import { StrategicMergeError, strategicMerge } from "./strategic-merge.ts";

const pod = { group: "", version: "v1", kind: "Pod" };
const service = { group: "", version: "v1", kind: "Service" };
const deployment = { group: "apps", version: "v1", kind: "Deployment" };

interface Case {
  name: string;
  kind?: typeof pod;
  current: KubeJson;
  patch: KubeJson;
  expected: KubeJson;
}

const a = { name: "a", image: "1" };
const b = { name: "b", image: "1" };
const c = { name: "c", image: "1" };

describe("strategicMerge", () => {
  const cases: Case[] = [
    {
      name: "merges objects and deletes by null",
      current: { metadata: { labels: { x: "1", y: "1" } } },
      patch: { metadata: { labels: { y: null, z: "2" } as unknown as Record<string, string> } },
      expected: { metadata: { labels: { x: "1", z: "2" } } },
    },
    {
      name: "leaves nulls out of what it adds",
      current: {},
      patch: { spec: { securityContext: { runAsUser: 1, runAsGroup: null } } },
      expected: { spec: { securityContext: { runAsUser: 1 } } },
    },
    {
      name: "merges containers by name and appends new ones",
      current: { spec: { containers: [a, b] } },
      patch: { spec: { containers: [{ name: "b", image: "2" }, c] } },
      expected: { spec: { containers: [a, { name: "b", image: "2" }, c] } },
    },
    {
      name: "merges the lists in the items of lists",
      current: { spec: { containers: [{ name: "a", env: [{ name: "X", value: "1" }] }] } },
      patch: { spec: { containers: [{ name: "a", env: [{ name: "Y", value: "2" }] }] } },
      expected: {
        spec: {
          containers: [
            {
              name: "a",
              env: [
                { name: "X", value: "1" },
                { name: "Y", value: "2" },
              ],
            },
          ],
        },
      },
    },
    {
      name: "deletes an item by $patch",
      current: { spec: { containers: [a, b] } },
      patch: { spec: { containers: [{ name: "a", $patch: "delete" }] } },
      expected: { spec: { containers: [b] } },
    },
    {
      name: "replaces a list by $patch",
      current: { spec: { containers: [a, b] } },
      patch: { spec: { containers: [{ $patch: "replace" }, c] } },
      expected: { spec: { containers: [c] } },
    },
    {
      name: "replaces an object by $patch",
      current: { spec: { nodeSelector: { x: "1" } } },
      patch: { spec: { nodeSelector: { $patch: "replace", y: "2" } } },
      expected: { spec: { nodeSelector: { y: "2" } } },
    },
    {
      name: "deletes an object by $patch",
      current: { spec: { nodeSelector: { x: "1" }, nodeName: "n" } },
      patch: { spec: { nodeSelector: { $patch: "delete" } } },
      expected: { spec: { nodeName: "n" } },
    },
    {
      name: "replaces tolerations, which have no key",
      current: { spec: { tolerations: [{ key: "x" }] } },
      patch: { spec: { tolerations: [{ key: "y" }] } },
      expected: { spec: { tolerations: [{ key: "y" }] } },
    },
    {
      name: "merges finalizers as a set",
      current: { metadata: { finalizers: ["x", "y"] } },
      patch: { metadata: { finalizers: ["y", "z"] } },
      expected: { metadata: { finalizers: ["x", "y", "z"] } },
    },
    {
      name: "deletes from a list of plain values",
      current: { metadata: { finalizers: ["x", "y"] } },
      patch: { metadata: { "$deleteFromPrimitiveList/finalizers": ["x"] } },
      expected: { metadata: { finalizers: ["y"] } },
    },
    {
      name: "orders a list",
      current: { spec: { containers: [a, b] } },
      patch: {
        spec: { "$setElementOrder/containers": [{ name: "c" }, { name: "b" }, { name: "a" }], containers: [c] },
      },
      expected: { spec: { containers: [c, b, a] } },
    },
    {
      name: "orders a list that it does not change",
      current: { metadata: { finalizers: ["x", "y"] } },
      patch: { metadata: { "$setElementOrder/finalizers": ["y", "x"] } },
      expected: { metadata: { finalizers: ["y", "x"] } },
    },
    {
      name: "drops all keys but the retained ones",
      kind: deployment,
      current: { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } },
      patch: { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
      expected: { spec: { strategy: { type: "Recreate" } } },
    },
    {
      name: "merges the ports of containers by containerPort",
      current: { spec: { containers: [{ name: "a", ports: [{ containerPort: 80 }] }] } },
      patch: { spec: { containers: [{ name: "a", ports: [{ containerPort: 80, name: "http" }] }] } },
      expected: { spec: { containers: [{ name: "a", ports: [{ containerPort: 80, name: "http" }] }] } },
    },
    {
      name: "merges the ports of services by port",
      kind: service,
      current: { spec: { ports: [{ port: 80, targetPort: 8080 }] } },
      patch: { spec: { ports: [{ port: 80, name: "http" }] } },
      expected: { spec: { ports: [{ port: 80, targetPort: 8080, name: "http" }] } },
    },
    {
      name: "merges conditions by type",
      current: {
        status: {
          conditions: [
            { type: "Ready", status: "False" },
            { type: "Initialized", status: "True" },
          ],
        },
      },
      patch: { status: { conditions: [{ type: "Ready", status: "True" }] } },
      expected: {
        status: {
          conditions: [
            { type: "Ready", status: "True" },
            { type: "Initialized", status: "True" },
          ],
        },
      },
    },
    {
      name: "replaces a value of another type",
      current: { spec: { x: "text" } },
      patch: { spec: { x: { y: 1 } } },
      expected: { spec: { x: { y: 1 } } },
    },
  ];
  it.each(cases)("$name", ({ kind = pod, current, patch, expected }) => {
    const before = structuredClone({ current, patch });
    expect(strategicMerge(kind, current, patch)).toEqual(expected);
    expect({ current, patch }).toEqual(before);
  });

  it("refuses an item without its key", () => {
    const patch = { spec: { containers: [{ image: "1" }] } };
    expect(() => strategicMerge(pod, { spec: { containers: [a] } }, patch)).toThrow(StrategicMergeError);
  });

  it("refuses a directive that it does not know", () => {
    expect(() => strategicMerge(pod, {}, { spec: { $patch: "merge-all" } })).toThrow(StrategicMergeError);
  });
});

describe("for any object", () => {
  const key = fc.constantFrom("containers", "name", "spec", "env", "finalizers");
  const name = fc.constantFrom("a", "b", "c");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      name,
      fc.uniqueArray(fc.record({ name, value: name }), { selector: (item) => item.name, maxLength: 3 }),
      fc.dictionary(key, tie("value"), { maxKeys: 3 }),
    ),
  }));
  const object = fc.dictionary(key, value, { maxKeys: 3 }).map((fields): KubeJson => ({ ...fields }));

  it("the empty patch changes nothing", () => {
    fc.assert(fc.property(object, (current) => expect(strategicMerge(pod, current, {})).toEqual(current)));
  });

  it("the object as a patch of itself changes nothing", () => {
    fc.assert(fc.property(object, (current) => expect(strategicMerge(pod, current, current)).toEqual(current)));
  });

  it("patching twice is patching once", () => {
    fc.assert(
      fc.property(object, object, (current, patch) => {
        const once = strategicMerge(pod, current, patch);
        expect(strategicMerge(pod, once, patch)).toEqual(once);
      }),
    );
  });
});
