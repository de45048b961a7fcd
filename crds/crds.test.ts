/** The manifests against the published contract: accepted objects, names, columns, and no tightening by accident. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { Ajv, type ValidateFunction } from "ajv";
import { parse } from "yaml";
import { crdVersionAnnotation, group, labels, version } from "./v1beta1/names.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
}

interface Manifest {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: Readonly<Record<string, unknown>> & { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly subresources: object;
      readonly additionalPrinterColumns: readonly {
        readonly name: string;
        readonly jsonPath: string;
        readonly type: string;
      }[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

const manifests = new Map<string, Manifest>();
const validators = new Map<string, ValidateFunction>();

beforeAll(async () => {
  for (const file of (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".yaml"))) {
    const manifest = parse(await readFile(join(import.meta.dirname, file), "utf8")) as Manifest;
    manifests.set(manifest.spec.names.kind, manifest);
    // The API server fills defaults in before it validates, and ignores what it does not know.
    const ajv = new Ajv({
      strict: false,
      useDefaults: true,
      formats: { "date-time": /^\d{4}-\d\d-\d\dT.*Z$/, int32: true, int64: true },
    });
    validators.set(manifest.spec.names.kind, ajv.compile(manifest.spec.versions[0]!.schema.openAPIV3Schema));
  }
});

function errorsOf(kind: string, object: object): unknown {
  const validate = validators.get(kind)!;
  return validate(structuredClone(object)) ? [] : validate.errors;
}

const fixedAllocation = {
  eni: {
    id: "eni-1",
    vpcID: "vpc-1",
    mac: "00:16:3e:00:00:01",
    zone: "cn-hangzhou-h",
    vSwitchID: "vsw-1",
    securityGroupIDs: ["sg-1"],
    resourceGroupID: "",
    attachmentOptions: { trunk: true },
  },
  ipv4: "10.0.0.7",
  ipv4CIDR: "10.0.0.0/24",
  ipv6: "",
  ipv6CIDR: "",
  interface: "eth0",
  allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "10m" },
  extraRoutes: [{ dst: "192.168.0.0/16" }],
  extraConfig: {},
};

describe("objects that the published schema accepts stay valid", () => {
  const rows = [
    {
      name: "a plane of nothing but a selector",
      kind: "PodNetworking",
      object: { metadata: { name: "a" }, spec: { selector: { podSelector: { matchLabels: { app: "web" } } } } },
    },
    {
      name: "a fixed plane with everything",
      kind: "PodNetworking",
      object: {
        spec: {
          eniOptions: { eniType: "Trunk" },
          allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1h30m" },
          selector: { namespaceSelector: { matchExpressions: [{ key: "team", operator: "In", values: ["a"] }] } },
          securityGroupIDs: ["sg-1", "sg-1"],
          vSwitchOptions: ["vsw-1"],
          vSwitchSelectOptions: { vSwitchSelectionPolicy: "most" },
        },
        status: {
          status: "Ready",
          vSwitches: [{ id: "vsw-1", zone: "cn-hangzhou-h" }],
          updateAt: "2026-01-01T00:00:00Z",
          message: "",
        },
      },
    },
    {
      name: "a plane that failed, in words of an unknown writer",
      kind: "PodNetworking",
      object: { spec: { eniOptions: {} }, status: { status: "Odd" } },
    },
    {
      name: "a record that was just made",
      kind: "PodENI",
      object: { spec: { allocations: [fixedAllocation], zone: "cn-hangzhou-h" }, status: {} },
    },
    {
      name: "a bound record",
      kind: "PodENI",
      object: {
        spec: { allocations: [fixedAllocation] },
        status: {
          phase: "Bind",
          instanceID: "i-1",
          trunkENIID: "eni-t",
          msg: "",
          podLastSeen: "2026-01-01T00:00:00Z",
          eniInfos: {
            "eni-1": { id: "eni-1", type: "Member", vid: 100, status: "Bind", networkCardIndex: 0, vfID: 3 },
          },
        },
      },
    },
    {
      name: "a record of an old release",
      kind: "PodENI",
      object: { spec: { allocations: [{ eni: { id: "eni-1" } }] }, status: { phase: "Initial" } },
    },
    {
      name: "a bound interface",
      kind: "NetworkInterface",
      object: {
        spec: {
          eni: fixedAllocation.eni,
          ipv4: "10.0.0.7",
          managePolicy: { cache: false },
          podENIRef: { kind: "Pod", namespace: "shop", name: "web-0" },
        },
        status: {
          phase: "Bind",
          eniInfo: { id: "eni-1", type: "Secondary", vid: 0, status: "Bind" },
          nodeName: "n1",
          instanceID: "i-1",
        },
      },
    },
    {
      name: "an interface without status",
      kind: "NetworkInterface",
      object: { spec: { podENIRef: { kind: "pod", uid: "u", apiVersion: "v1", fieldPath: "x" } } },
    },
    {
      name: "a machine of the shared pool",
      kind: "Node",
      object: {
        spec: {
          nodeMetadata: {
            regionID: "cn-hangzhou",
            instanceType: "ecs.g7.large",
            instanceID: "i-1",
            zoneID: "cn-hangzhou-h",
          },
          nodeCap: { adapters: 3, totalAdapters: 10, networkCards: [{ index: 0 }], networkCardsCount: 1 },
          eni: {
            vSwitchOptions: ["vsw-1"],
            securityGroupIDs: ["sg-1"],
            vSwitchSelectPolicy: "most",
            tagBlockList: [{ key: "a", value: "" }],
          },
          pool: { maxPoolSize: 5, minPoolSize: 0, reclaim: { after: "1h", batchSize: 5, jitterFactor: "0.1" } },
          flavor: [{ networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "Standard", count: 2 }],
          datapath: { type: "veth" },
        },
        status: {
          networkInterfaces: {
            "eni-1": {
              id: "eni-1",
              status: "InUse",
              ipv4: { "10.0.0.8": { ip: "10.0.0.8", primary: false, status: "Valid", podID: "a/b" } },
              ipv4Prefix: [{ prefix: "10.0.0.16/28", status: "Frozen", frozenExpireAt: "2026-01-01T00:00:00Z" }],
              conditions: { InsufficientIP: { observedTime: "2026-01-01T00:00:00Z", message: "none left" } },
            },
          },
        },
      },
    },
    { name: "an empty machine", kind: "Node", object: { metadata: { name: "n1" } } },
    {
      name: "what a machine says",
      kind: "NodeRuntime",
      object: {
        status: { pods: { u1: { podID: "a/b", status: { deleted: { lastUpdateTime: "2026-01-01T00:00:00Z" } } } } },
      },
    },
    { name: "a machine that says nothing", kind: "NodeRuntime", object: { spec: {} } },
  ];
  it.each(rows)("$kind: $name", ({ kind, object }) => {
    expect(errorsOf(kind, object)).toEqual([]);
  });
});

describe("conditions", () => {
  const condition = {
    type: "Ready",
    status: "True",
    reason: "VSwitchesFound",
    message: "",
    lastTransitionTime: "2026-01-01T00:00:00Z",
    observedGeneration: 3,
  };
  it.each(["PodNetworking", "PodENI", "NetworkInterface", "Node", "NodeRuntime"])(
    "of %s are metav1.Conditions",
    (kind) => {
      const status = kind === "NetworkInterface" ? { phase: "", eniInfo: {} } : {};
      expect(errorsOf(kind, { status: { ...status, conditions: [condition] } })).toEqual([]);
      expect(errorsOf(kind, { status: { ...status, conditions: [{ ...condition, status: "Maybe" }] } })).not.toEqual(
        [],
      );
      expect(errorsOf(kind, { status: { ...status, conditions: [{ ...condition, reason: "" }] } })).not.toEqual([]);
    },
  );
});

/** `path: words` of every `required` and `enum`, the conditions' own left out. */
function restrictions(schema: Schema, path = ""): string[] {
  if (path === "status.conditions") return [];
  const own = [
    ...(schema.required === undefined ? [] : [`${path} required ${schema.required.join(",")}`]),
    ...(schema.enum === undefined ? [] : [`${path} enum ${schema.enum.join(",")}`]),
  ];
  const at = (name: string) => (path === "" ? name : `${path}.${name}`);
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, value]) => restrictions(value, at(name)));
  const items = schema.items === undefined ? [] : restrictions(schema.items, `${path}[]`);
  const values =
    schema.additionalProperties === undefined ? [] : restrictions(schema.additionalProperties, `${path}{}`);
  return [...own, ...inner, ...items, ...values];
}

const kinds4 = "Secondary,Trunk,Primary,Member";
const modes = "Standard,HighPerformance";

describe("the published contract", () => {
  const rows = [
    {
      kind: "PodNetworking",
      names: { plural: "podnetworkings", singular: "podnetworking", listKind: "PodNetworkingList", shortNames: ["pn"] },
      scope: "Cluster",
      version: "v0.1.1",
      restrictions: [
        "spec required eniOptions",
        "spec.eniOptions required eniType",
        "spec.eniOptions.eniType enum Trunk,ENI,Default",
        "spec.allocationType.type enum Elastic,Fixed",
        "spec.allocationType.releaseStrategy enum TTL,Never",
        "spec.selector.podSelector.matchExpressions[] required key,operator",
        "spec.selector.namespaceSelector.matchExpressions[] required key,operator",
        "spec.vSwitchSelectOptions.vSwitchSelectionPolicy enum ordered,random,most",
      ],
    },
    {
      kind: "PodENI",
      names: { plural: "podenis", singular: "podeni", listKind: "PodENIList", shortNames: ["pe"] },
      scope: "Namespaced",
      version: "v0.4.3",
      restrictions: [
        "spec.allocations[].allocationType.type enum Elastic,Fixed",
        "spec.allocations[].allocationType.releaseStrategy enum TTL,Never",
        `status.eniInfos{}.type enum ${kinds4}`,
      ],
    },
    {
      kind: "NetworkInterface",
      names: {
        plural: "networkinterfaces",
        singular: "networkinterface",
        listKind: "NetworkInterfaceList",
        shortNames: ["ni"],
      },
      scope: "Cluster",
      version: "v0.1.1",
      restrictions: ["status required phase,eniInfo", `status.eniInfo.type enum ${kinds4}`],
    },
    {
      kind: "Node",
      names: { plural: "nodes", singular: "node", listKind: "NodeList" },
      scope: "Cluster",
      version: "v0.10.1",
      restrictions: [
        "spec.nodeMetadata required regionID,instanceType,instanceID,zoneID",
        "spec.datapath.type enum veth,ipvlan,datapathv2",
        "spec.eni required vSwitchOptions,securityGroupIDs,vSwitchSelectPolicy",
        "spec.eni.vSwitchSelectPolicy enum ordered,random,most",
        "spec.eni.tagBlockList[] required key,value",
        "spec.flavor[] required networkInterfaceType,networkInterfaceTrafficMode,count",
        `spec.flavor[].networkInterfaceType enum ${kinds4}`,
        `spec.flavor[].networkInterfaceTrafficMode enum ${modes}`,
        "status.networkInterfaces{} required id,status",
        `status.networkInterfaces{}.networkInterfaceTrafficMode enum ${modes}`,
        `status.networkInterfaces{}.networkInterfaceType enum ${kinds4}`,
        "status.networkInterfaces{}.ipv4{} required status",
        "status.networkInterfaces{}.ipv4{}.status enum Valid,Invalid,Deleting",
        "status.networkInterfaces{}.ipv6{} required status",
        "status.networkInterfaces{}.ipv6{}.status enum Valid,Invalid,Deleting",
        "status.networkInterfaces{}.ipv4Prefix[] required status",
        "status.networkInterfaces{}.ipv4Prefix[].status enum Valid,Frozen,Invalid,Deleting",
        "status.networkInterfaces{}.ipv6Prefix[] required status",
        "status.networkInterfaces{}.ipv6Prefix[].status enum Valid,Frozen,Invalid,Deleting",
      ],
    },
    {
      kind: "NodeRuntime",
      names: { plural: "noderuntimes", singular: "noderuntime", listKind: "NodeRuntimeList" },
      scope: "Cluster",
      version: "v0.1.1",
      restrictions: ["status.pods{} required podID,status", "status.pods{}.status{} required lastUpdateTime"],
    },
  ];

  it.each(rows)("$kind has its names, scope, version and subresource", (row) => {
    const { metadata, spec } = manifests.get(row.kind)!;
    expect(metadata).toEqual({
      name: `${row.names.plural}.${group}`,
      annotations: { [crdVersionAnnotation]: row.version },
    });
    expect(spec).toMatchObject({ group, scope: row.scope, versions: [{ name: version, served: true, storage: true }] });
    expect(spec.names).toEqual({ kind: row.kind, ...row.names });
    expect(spec.versions).toHaveLength(1);
    expect(spec.versions[0]!.subresources).toEqual({ status: {} });
  });

  // Another `required` or `enum` would refuse objects that clusters hold; each line here was published.
  it.each(rows)("$kind restricts no more than the published schema", (row) => {
    expect(restrictions(manifests.get(row.kind)!.spec.versions[0]!.schema.openAPIV3Schema)).toEqual(row.restrictions);
  });

  it("NetworkInterface shows the published columns first, in order", () => {
    const columns = manifests.get("NetworkInterface")!.spec.versions[0]!.additionalPrinterColumns;
    expect(columns.slice(0, 7)).toEqual([
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "InstanceID", type: "string", jsonPath: ".status.instanceID" },
      { name: "TrunkENIID", type: "string", jsonPath: ".status.trunkENIID" },
      { name: "NodeName", type: "string", jsonPath: ".status.nodeName" },
      { name: "PodNamespace", type: "string", jsonPath: ".spec.podENIRef.namespace" },
      { name: "PodName", type: "string", jsonPath: ".spec.podENIRef.name" },
      { name: "Type", type: "string", jsonPath: ".status.eniInfo.type" },
    ]);
  });

  it("every kind ends with its age, and PodENI shows the node of its label", () => {
    for (const { spec } of manifests.values()) {
      expect(spec.versions[0]!.additionalPrinterColumns.at(-1)).toMatchObject({ name: "Age", type: "date" });
    }
    const columns = manifests.get("PodENI")!.spec.versions[0]!.additionalPrinterColumns;
    expect(columns.find(({ name }) => name === "Node")?.jsonPath).toBe(
      `.metadata.labels.${labels.node.replaceAll(".", "\\.")}`,
    );
  });
});
