import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { Ajv2020 } from "ajv/dist/2020.js";
import { stringify } from "yaml";
import { configKeys, type FileConfig } from "./config-keys.ts";
import { parseConfigFile, type ConfigFile } from "./config.ts";

const schemaText = readFileSync(new URL("../docs/configuration.schema.json", import.meta.url), "utf8");
const fitsSchema = new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(schemaText) as object);

const complete = { regionID: "cn-hangzhou", clusterID: "c1", vpcID: "vpc-1" };

const read = (document: object): ConfigFile => parseConfigFile({ path: "c.yaml", text: stringify(document) });

interface Row {
  readonly default: unknown;
  /** Values as in the file, and what they are read as. */
  readonly accepted: readonly (readonly [unknown, unknown])[];
  /** Values that the program does not start with. */
  readonly refused: readonly unknown[];
  /** Values that the program replaces or takes, with a warning; the schema refuses them. */
  readonly warned?: readonly (readonly [unknown, unknown])[];
  /** Without effect: another value than the default is warned about. */
  readonly isIdle?: true;
}

const wrongTexts = [7, true, ["a"], { a: 1 }];
const wrongFlags = ["true", "maybe", 1, []];
const text = (fallback: string): Row => ({ default: fallback, accepted: [["a", "a"]], refused: wrongTexts });
const flag = (fallback: boolean): Row => ({
  default: fallback,
  accepted: [
    [true, true],
    [false, false],
  ],
  refused: wrongFlags,
});
const integer = (fallback: number, max: number): Row => ({
  default: fallback,
  accepted: [
    [1, 1],
    [max, max],
    [0, fallback],
  ],
  refused: [-1, 1.5, "10", true, [], ...(Number.isSafeInteger(max + 1) ? [max + 1] : [])],
});
const duration = (fallbackMs: number): Row => ({
  default: fallbackMs,
  accepted: [
    ["500ms", 500],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
  ],
  refused: ["soon", "30", "0s", "-1s", 30, true, []],
});
/** Goes with the defaults of the other two: what is written as the first of the pair, and not `impossible`. */
const leaseTime = (fallbackMs: number, [written, ms]: readonly [string, number], impossible: string): Row => ({
  default: fallbackMs,
  accepted: [[written, ms]],
  refused: [15, true, [], impossible],
  warned: [
    ["soon", fallbackMs],
    ["15", fallbackMs],
    ["-1s", fallbackMs],
  ],
});
const texts: Row = {
  default: [],
  accepted: [
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [[], []],
  ],
  refused: ["a", [1], { a: "b" }],
};
const idle = (row: Row): Row => ({ ...row, isIdle: true });

/** Source: the published configuration file, every key. */
const rows: Readonly<Record<keyof FileConfig, Row>> = {
  regionId: { ...text(""), default: "" },
  clusterId: { default: "", accepted: [["c2", "c2"]], refused: ["", null, ...wrongTexts] },
  vpcId: { default: "", accepted: [["vpc-2", "vpc-2"]], refused: ["", null, ...wrongTexts] },
  controllers: {
    default: [],
    accepted: [
      [[], []],
      [
        ["pod", "-pod-eni", "eni"],
        ["pod", "-pod-eni", "eni"],
      ],
      [
        ["-node", "-multi-ip-node", "-multi-ip-pod", "*"],
        ["-node", "-multi-ip-node", "-multi-ip-pod", "*"],
      ],
    ],
    refused: ["pod", [1], { pod: true }],
    warned: [[["pods"], ["pods"]]],
  },
  controllerName: text("terway-controlplane"),
  controllerNamespace: text("kube-system"),
  leaderElection: flag(false),
  leaseDurationMs: leaseTime(15_000, ["20s", 20_000], "10s"),
  renewDeadlineMs: leaseTime(10_000, ["12s", 12_000], "15s"),
  retryPeriodMs: leaseTime(2_000, ["3s", 3_000], "9s"),
  leaseLockName: idle(text("terway-controller-lock")),
  leaseLockNamespace: idle(text("kube-system")),
  healthzBindAddress: {
    default: "0.0.0.0:80",
    accepted: [
      ["127.0.0.1:8080", "127.0.0.1:8080"],
      [":65535", ":65535"],
      ["[::]:80", "[::]:80"],
    ],
    refused: ["0", "here", "1.2.3.4", "1.2.3.4:http", "1.2.3.4:65536", "1.2.3.4:123456", ...wrongTexts],
  },
  metricsBindAddress: {
    default: "0",
    accepted: [
      ["0", "0"],
      ["0.0.0.0:8081", "0.0.0.0:8081"],
      [":0", ":0"],
    ],
    refused: ["off", "1.2.3.4:99999", "00", ...wrongTexts],
  },
  disableWebhook: flag(false),
  webhookPort: integer(4443, 65_535),
  certDir: text("/var/run/webhook-cert"),
  clusterDomain: text("cluster.local"),
  kubeClientQps: {
    default: 20,
    accepted: [
      [0.5, 0.5],
      [10_000, 10_000],
      [0, 20],
    ],
    refused: [-0.5, 10_001, "20", true, []],
  },
  kubeClientBurst: integer(30, 10_000),
  podMaxConcurrent: integer(10, 10_000),
  podEniMaxConcurrent: integer(10, 10_000),
  eniMaxConcurrent: integer(300, 10_000),
  enableTrunk: flag(true),
  enableWebhookInjectResource: flag(true),
  ipStack: {
    default: "ipv4",
    accepted: [
      ["ipv6", "ipv6"],
      ["dual", "dual"],
      ["ipv4", "ipv4"],
    ],
    refused: ["IPv4", "ipv5", 4, []],
  },
  customStatefulWorkloadKinds: texts,
  ipamType: {
    default: "",
    accepted: [["crd", "crd"]],
    refused: wrongTexts,
    warned: [["CRD", ""]],
  },
  vSwitchPoolSize: integer(1_000, Number.MAX_SAFE_INTEGER),
  vSwitchCacheTtlMs: duration(1_200_000),
  rateLimit: {
    default: {},
    accepted: [
      [{}, {}],
      [{ AttachNetworkInterface: 50 }, { AttachNetworkInterface: 50 }],
    ],
    refused: [{ AttachNetworkInterfaces: 50 }, { AttachNetworkInterface: 0 }, { AttachNetworkInterface: 1.5 }, [], 5],
  },
  degradation: {
    default: "",
    accepted: [
      ["l0", "l0"],
      ["l1", "l1"],
    ],
    refused: wrongTexts,
    warned: [
      ["L0", ""],
      ["l2", ""],
    ],
  },
  nodeMaxConcurrent: idle(integer(10, 10_000)),
  nodeLabelWhiteList: idle({
    default: {},
    accepted: [[{ pool: "a" }, { pool: "a" }]],
    refused: [["pool"], "pool", { pool: 1 }],
  }),
  centralizedIpam: flag(false),
  multiIpPodMaxConcurrent: idle(integer(500, 20_000)),
  multiIpNodeMaxConcurrent: idle(integer(500, 20_000)),
  multiIpNodeSyncPeriodMs: idle(duration(43_200_000)),
  multiIpGcPeriodMs: idle(duration(120_000)),
  multiIpMinSyncPeriodOnFailureMs: idle(duration(1_000)),
  multiIpMaxSyncPeriodOnFailureMs: idle(duration(300_000)),
  enableTrace: idle(flag(false)),
  backoffOverride: idle({
    default: undefined,
    accepted: [[{ eni_create: { Steps: 3 } }, { eni_create: { Steps: 3 } }]],
    refused: ["slow", 3, []],
  }),
  enableDevicePlugin: idle(flag(false)),
};

interface Case {
  readonly member: keyof FileConfig;
  readonly key: string;
  readonly shown: string;
  readonly value: unknown;
  readonly want: unknown;
}

/** One case for each value of one column. */
function casesOf(column: "accepted" | "refused" | "warned"): Case[] {
  const members = Object.keys(rows) as (keyof FileConfig)[];
  return members.flatMap((member) => {
    const { key } = configKeys[member];
    const toCase = (value: unknown, want: unknown): Case => ({
      member,
      key,
      shown: JSON.stringify(value),
      value,
      want,
    });
    const row = rows[member];
    if (column === "refused") return row.refused.map((value) => toCase(value, row.default));
    return (row[column] ?? []).map(([value, want]) => toCase(value, want));
  });
}

describe("keys of the configuration file", () => {
  it("have the published defaults, absent, null and of zero value", () => {
    const wanted = Object.fromEntries(Object.entries(rows).map(([member, row]) => [member, row.default]));
    const names = { regionId: "cn-hangzhou", clusterId: "c1", vpcId: "vpc-1" };
    expect(read(complete)).toMatchObject({ config: { ...wanted, ...names }, problems: [], warnings: [] });
    const optional = Object.values(configKeys).filter(({ key }) => !Object.hasOwn(complete, key));
    const withNulls = { ...complete, ...Object.fromEntries(optional.map(({ key }) => [key, null])) };
    expect(read(withNulls)).toMatchObject({ config: { ...wanted, ...names }, problems: [], warnings: [] });
    expect(fitsSchema(withNulls)).toBe(true);
  });

  it.each(casesOf("accepted"))("$key accepts $shown, and so does the schema", ({ member, key, value, want }) => {
    const document = { ...complete, [key]: value };
    const { config, problems, warnings } = read(document);
    expect(problems).toEqual([]);
    expect(config[member]).toEqual(want);
    const isWarned = rows[member].isIdle === true && JSON.stringify(want) !== JSON.stringify(rows[member].default);
    expect(warnings).toEqual(isWarned ? [expect.stringContaining(`${key} has no effect: `)] : []);
    expect([fitsSchema(document), fitsSchema.errors]).toEqual([true, null]);
  });

  it.each(casesOf("refused"))("$key refuses $shown, naming value and remedy, and so does the schema", (given) => {
    const document = { ...complete, [given.key]: given.value };
    const { problems } = read(document);
    const [first] = problems;
    expect(first?.remedy).toMatch(/./);
    // A rule between several keys is out of a schema's reach.
    const isRuleOfSeveral = first?.problem.startsWith("must be longer than") === true;
    if (!isRuleOfSeveral) expect(first).toMatchObject({ key: given.key, value: given.value });
    expect(fitsSchema(document)).toBe(isRuleOfSeveral);
  });

  it.each(casesOf("warned"))("$key warns of $shown and goes on; the schema refuses it", (given) => {
    const document = { ...complete, [given.key]: given.value };
    const { config, problems, warnings } = read(document);
    expect(problems).toEqual([]);
    expect(config[given.member]).toEqual(given.want);
    expect(warnings).toEqual([expect.stringContaining(given.key)]);
    expect(fitsSchema(document)).toBe(false);
  });

  it("unknown keys are named with the nearest known one; the schema refuses them", () => {
    const document = { ...complete, podMaxConcurent: 5, foo: 1 };
    expect(read(document).warnings).toEqual([
      "unknown key podMaxConcurent is ignored; did you mean podMaxConcurrent?",
      "unknown key foo is ignored",
    ]);
    expect(fitsSchema(document)).toBe(false);
  });

  it("the file of the published chart is accepted; what it turns on and is not there yet is named", () => {
    const chart = {
      leaseLockName: "terway-controller-lock",
      leaseLockNamespace: "kube-system",
      controllerNamespace: "kube-system",
      controllerName: "terway-controlplane",
      healthzBindAddress: "0.0.0.0:8080",
      clusterDomain: "cluster.local",
      leaderElection: true,
      webhookPort: 4443,
      certDir: "/var/run/webhook-cert",
      regionID: "cn-hangzhou",
      clusterID: "c123",
      vpcID: "vpc-123",
      ipStack: "ipv4",
      enableTrunk: false,
      enableTrace: false,
      metricsBindAddress: "0",
      centralizedIPAM: true,
      controllers: ["pod-eni", "pod", "pod-networking", "node", "multi-ip-node", "multi-ip-pod"],
    };
    expect([fitsSchema(chart), fitsSchema.errors]).toEqual([true, null]);
    const { problems, warnings } = read(chart);
    expect(problems).toEqual([]);
    expect(warnings).toEqual([
      "controllers enables node, which this program does not have yet",
      "controllers enables multi-ip-node, which this program does not have yet",
      "controllers enables multi-ip-pod, which this program does not have yet",
    ]);
  });
});
