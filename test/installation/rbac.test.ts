import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { apiNames, productOf } from "../../cloud/call.ts";
import { group } from "../../crds/v1beta1/names.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import { pathOf } from "../../e2e/kube.ts";
import { aNamespace, aPlane, aPod } from "../../e2e/manifests.ts";
import { eventually } from "../../e2e/world.ts";
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { resourceTypes } from "../../kube/resources.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { needs, type Need } from "./needs.ts";
import { root } from "./manifests.ts";
import { startRecordedRun, type RecordedRun } from "./recorded-run.ts";
import { allows, describeCall, permissionsOf, ruleAllows, rulesOf, type Call } from "./roles.ts";

/** One call for each verb and name. */
function callsOf(need: Need): readonly Call[] {
  const { group: apiGroup = "", resource, verbs, namespace = "" } = need;
  const objects = need.names ?? [""];
  return verbs.flatMap((verb) => objects.map((name) => ({ verb, group: apiGroup, resource, namespace, name })));
}

/** The permission that a recorded call uses: RBAC looks at names only where a rule has some. */
function serves(need: Call, call: Call): boolean {
  const hasScope = need.namespace === "" || need.namespace === call.namespace;
  const hasName = need.name === "" || need.name === call.name;
  return need.verb === call.verb && need.group === call.group && need.resource === call.resource && hasScope && hasName;
}

const rows = needs.flatMap((need) =>
  callsOf(need).map((call) => ({ call, text: describeCall(call), by: need.by, unseen: need.unseen })),
);
const rules = rulesOf();

describe("the installed roles", () => {
  it.each(rows)("allow $text ($by)", ({ call }) => {
    expect(allows(rules, call)).toBe(true);
  });

  const permissions = rules.flatMap((rule) =>
    permissionsOf(rule).map((permission) => ({ role: rule.role, text: describeCall(permission), permission })),
  );

  it.each(permissions)("$role grants $text because a call needs it", ({ permission }) => {
    expect(rows.map(({ call }) => call)).toContainEqual(permission);
  });

  it("grant each permission once", () => {
    const texts = permissions.map(({ text }) => text);
    expect(texts.filter((text, index) => texts.indexOf(text) !== index)).toEqual([]);
  });

  it("use no wildcard", () => {
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...apiGroups, ...resources, ...verbs]);
    expect(words).not.toContain("*");
  });

  it.each([
    {
      why: "another Secret",
      call: { verb: "get", group: "", resource: "secrets", namespace: "kube-system", name: "a" },
    },
    {
      why: "listing Secrets",
      call: { verb: "list", group: "", resource: "secrets", namespace: "kube-system", name: "" },
    },
    { why: "Secrets elsewhere", call: { verb: "create", group: "", resource: "secrets", namespace: "a", name: "" } },
    { why: "deleting a pod", call: { verb: "delete", group: "", resource: "pods", namespace: "a", name: "b" } },
    { why: "a pod's status", call: { verb: "patch", group: "", resource: "pods/status", namespace: "a", name: "b" } },
    { why: "changing a plane", call: { verb: "patch", group, resource: "podnetworkings", namespace: "", name: "a" } },
    {
      why: "another program's CRD",
      call: {
        verb: "update",
        group: "apiextensions.k8s.io",
        resource: "customresourcedefinitions",
        namespace: "",
        name: "ciliumnodes.cilium.io",
      },
    },
  ])("refuse $why", ({ call }) => {
    expect(rules.filter((rule) => ruleAllows(rule, call))).toEqual([]);
  });
});

describe("a run of the program from its installation to its last release", () => {
  let run: RecordedRun;

  beforeAll(async () => {
    run = await startRecordedRun(async (kube) => {
      // An older version of every kind makes the program upgrade it; one is missing and is created.
      for (const crd of (await readCrdManifests()).slice(1)) {
        await kube.apply({
          ...crd,
          apiVersion: "apiextensions.k8s.io/v1",
          kind: "CustomResourceDefinition",
          metadata: { name: crd.metadata.name },
        });
      }
      await kube.apply({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "eni-config", namespace: "kube-system" },
        data: {
          eni_conf: JSON.stringify({
            vswitches: { "cn-hangzhou-h": ["vsw-hz-h-1"] },
            security_group: landscape.securityGroupId,
            enable_eni_trunking: true,
          }),
        },
      });
    });
    await live(run);
  }, 90_000);

  afterAll(() => run.stop(), 30_000);

  it("makes no call that the roles refuse", () => {
    const refused = run.calls.filter((call) => !allows(rules, call)).map(describeCall);
    expect(refused).toEqual([]);
  });

  it("makes no call that the table does not have", () => {
    const strange = run.calls.filter((call) => !rows.some((row) => serves(row.call, call))).map(describeCall);
    expect(strange).toEqual([]);
  });

  it("makes every call of the table but the rare ones", () => {
    const isMade = (need: Call): boolean => run.calls.some((call) => serves(need, call));
    // One kind is created and the others upgraded; each verb is seen with some name.
    const missing = rows.filter(
      ({ call, unseen }) =>
        unseen === undefined &&
        !isMade({ ...call, name: call.resource === "customresourcedefinitions" ? "" : call.name }),
    );
    expect(missing.map(({ text }) => text)).toEqual([]);
  });

  it("calls every action of the cloud that the RAM policy names, and no other", () => {
    expect([...run.actions].sort()).toEqual(ramActions());
  });

  it("speaks only of kinds that the table has", () => {
    const used = new Set(rows.map(({ call }) => `${call.group}/${call.resource.split("/")[0]}`));
    const unused = ["services", "statefulSets", "deployments"];
    const known = Object.entries(resourceTypes).filter(([name]) => !unused.includes(name));
    expect(known.filter(([, type]) => !used.has(`${type.group}/${type.plural}`)).map(([name]) => name)).toEqual([]);
  });
});

describe("the RAM policy", () => {
  it("names exactly the actions that the cloud adapter has", () => {
    const sources = readdirSync(join(root, "cloud")).filter(
      (name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && !["call.ts", "error-codes.ts"].includes(name),
    );
    const text = sources.map((name) => readFileSync(join(root, "cloud", name), "utf8")).join("\n");
    const called = apiNames.filter((api) => text.includes(`"${api}"`));
    expect(called.map((api) => `${productOf(api)?.product}:${api}`).sort()).toEqual(ramActions());
  });
});

function ramActions(): readonly string[] {
  const policy = JSON.parse(readFileSync(join(root, "config/ram-policy.json"), "utf8")) as {
    readonly Statement: readonly { readonly Effect: "Allow"; readonly Action: readonly string[] }[];
  };
  return policy.Statement.flatMap(({ Action }) => Action).sort();
}

/** The machines get their records and lose them; two pods of a plane that is filled from eni-config come and go, one on each kind of interface. */
async function live({ kube, cloud }: RecordedRun): Promise<void> {
  await eventually("the machines have their records", async () => {
    const { body } = await kube.request("GET", "/apis/network.alibabacloud.com/v1beta1/nodes");
    const { items } = body as { readonly items: readonly Node[] };
    return items.length === 2 && items.every(({ status }) => status?.conditions !== undefined);
  });
  await kube.apply(aNamespace("life"));
  await kube.apply(aPlane("elastic", { vSwitchOptions: [], eniOptions: { eniType: "Trunk" } }));
  await kube.untilPlaneSays("elastic", "VSwitchesFound");
  await kube.apply(aPlane("exclusive", { eniOptions: { eniType: "ENI" } }));
  await kube.untilPlaneSays("exclusive", "VSwitchesFound");
  for (const plane of ["elastic", "exclusive"]) {
    await kube.apply(aPod({ namespace: "life", name: plane, plane }));
    await kube.untilRunning("life", plane);
  }
  for (const name of ["elastic", "exclusive"]) await kube.deletePod("life", name);
  for (const name of ["node-0001", "node-0002"]) {
    await kube.patch(pathOf.node(name), { metadata: { labels: { "k8s.aliyun.com/ignore-by-terway": "true" } } });
    await eventually("the record is let go", async () => {
      const record = await kube.nodeRecord(name);
      return record !== undefined && (record.metadata.finalizers ?? []).length === 0;
    });
  }
  await eventually("every interface is gone", async () => {
    const isKept = cloud.enis().some(({ tags }) => tags.get("k8s.aliyun.com/pod-eni-uid") !== undefined);
    return !isKept && (await kube.podEnis("life")).length + (await kube.networkInterfaces()).length === 0;
  });
}
