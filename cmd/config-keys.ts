/**
 * Every key of the configuration file, in one table: how it is read, its JSON schema and its row in docs/configuration.md.
 * After a change: `npm run generate`.
 */
import { apiNames, isApiName, type ApiName } from "../cloud/call.ts";
import { controllerEntries, idleEntries } from "./config-controllers.ts";
import { findNearest, type ConfigReader, type Range } from "./config-reader.ts";

/** One key of a file. */
export interface ConfigKey<T> {
  /** As in the file. */
  readonly key: string;
  /** For people; empty when there is none. */
  readonly default: string;
  /** For people: what is valid, beyond its type. */
  readonly valid: string;
  readonly meaning: string;
  readonly schema: JsonSchema;
  /** Without it the program does not start. */
  readonly isRequired?: true;
  readonly read: (reader: ConfigReader) => T;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What a table of keys reads from its file. */
export type ValuesOf<K> = { readonly [M in keyof K]: K[M] extends ConfigKey<infer T> ? T : never };

/** Every value of the table, problems left with the reader. */
export function readKeys<K extends Readonly<Record<string, ConfigKey<unknown>>>>(
  reader: ConfigReader,
  keys: K,
): ValuesOf<K> {
  const values = Object.entries(keys).map(([member, key]) => [member, key.read(reader)] as const);
  return Object.fromEntries(values) as ValuesOf<K>;
}

// ---- kinds of keys ----

// `null` is absent, and so is the zero value of a text or number.
const nullable = (type: string): JsonSchema => ({ type: [type, "null"] });

function text(key: string, fallback: string, meaning: string): ConfigKey<string> {
  const schema = { ...nullable("string"), default: fallback };
  return { key, default: fallback, valid: "", meaning, schema, read: (reader) => reader.text(key, fallback) };
}

function requiredText(key: string, meaning: string, remedy: string): ConfigKey<string> {
  const schema = { type: "string", minLength: 1 };
  const read = (reader: ConfigReader): string => reader.required(key, remedy);
  return { key, default: "", valid: "required", meaning, schema, isRequired: true, read };
}

// A host, maybe empty or an IPv6 address in brackets, and a port up to 65535.
const hostAndPort =
  "(?:\\[[0-9a-fA-F:.]*\\]|[^:]*):(?:\\d{1,4}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";

/** @param off text that turns the endpoint off */
function address(key: string, fallback: string, meaning: string, off?: string): ConfigKey<string> {
  const pattern = `^(?:${hostAndPort}${off === undefined ? "" : `|${off}`})$`;
  return {
    key,
    default: fallback,
    valid: off === undefined ? "host:port" : `host:port, \`${off}\` for off`,
    meaning,
    schema: { ...nullable("string"), pattern: `^$|${pattern}`, default: fallback },
    read: (reader) => reader.matching(key, fallback, { pattern, what: "host:port", example: "0.0.0.0:8080" }),
  };
}

function flag(key: string, fallback: boolean, meaning: string): ConfigKey<boolean> {
  const schema = { ...nullable("boolean"), default: fallback };
  return { key, default: String(fallback), valid: "", meaning, schema, read: (reader) => reader.flag(key, fallback) };
}

function integer(key: string, fallback: number, range: Range, meaning: string): ConfigKey<number> {
  return { ...count(key, fallback, range, meaning, "integer"), read: (reader) => reader.integer(key, fallback, range) };
}

function number(key: string, fallback: number, range: Range, meaning: string): ConfigKey<number> {
  return { ...count(key, fallback, range, meaning, "number"), read: (reader) => reader.number(key, fallback, range) };
}

function count(key: string, fallback: number, { min, max }: Range, meaning: string, type: string) {
  const isOpen = max === Infinity;
  const from = type === "integer" ? String(min) : "above 0";
  const valid = isOpen ? `${from} or more` : `${from}${type === "integer" ? "–" : ", at most "}${max}`;
  // 0 stands for the default, so that it is valid whatever the range is.
  const schema = { ...nullable(type), minimum: 0, ...(!isOpen && { maximum: max }), default: fallback };
  return { key, default: String(fallback), valid, meaning, schema };
}

const goDuration = "^$|^(?=.*[1-9])\\+?(?:(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:ns|us|µs|μs|ms|s|m|h))+$";

/** Milliseconds. */
function duration(key: string, fallback: string, meaning: string): ConfigKey<number> {
  const schema = { ...nullable("string"), pattern: goDuration, default: fallback };
  return { key, default: fallback, valid: "duration", meaning, schema, read: (r) => r.durationMs(key, fallback) };
}

/** Milliseconds; what is no duration is replaced by the default with a warning, where the published program says nothing. */
function leaseTime(key: string, fallback: string, meaning: string): ConfigKey<number> {
  return {
    ...duration(key, fallback, meaning),
    valid: "duration; another text is replaced by the default, with a warning",
    read: (reader) => reader.lenientDurationMs(key, fallback),
  };
}

function oneOf<const W extends string>(key: string, words: readonly W[], fallback: W, meaning: string): ConfigKey<W> {
  const schema = { enum: [...words, "", null], default: fallback };
  const read = (reader: ConfigReader): W => reader.oneOf(key, words, fallback);
  return { key, default: fallback, valid: listOf(words), meaning, schema, read };
}

/** Empty, or one of the words; another one is taken for empty with a warning, where the published program says nothing. */
function wordOrNone<const W extends string>(key: string, words: readonly W[], meaning: string): ConfigKey<W | ""> {
  const schema = { enum: [...words, "", null], default: "" };
  return { key, default: "", valid: listOf(words), meaning, schema, read: (reader) => reader.lenientOneOf(key, words) };
}

function texts(key: string, meaning: string): ConfigKey<readonly string[]> {
  const schema = { ...nullable("array"), items: { type: "string" } };
  return { key, default: "", valid: "list of texts", meaning, schema, read: (reader) => reader.texts(key) };
}

/** The key stays readable and says, when it is set to something else than its default, that nothing comes of it. */
function idle<T>(inner: ConfigKey<T>, why: string): ConfigKey<T> {
  const read = (reader: ConfigReader): T => {
    if (reader.isSet(inner.key, inner.schema["default"])) reader.warnings.push(`${inner.key} has no effect: ${why}`);
    return inner.read(reader);
  };
  return { ...inner, meaning: `no effect: ${why}`, read };
}

const listOf = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(", ");

// ---- keys with rules of their own ----

const controllers: ConfigKey<readonly string[]> = {
  ...texts("controllers", "first entry that is `name`, `-name` or `*` decides, else the controller's default"),
  valid: "`*`, `name`, `-name`; the default is `pod`, `pod-eni`, `eni`, `pod-networking`",
  schema: { ...nullable("array"), items: { enum: controllerEntries } },
  read: (reader) => {
    const entries = reader.texts("controllers");
    reader.warnings.push(...idleEntries(entries));
    return entries;
  },
};

const nodeLabelWhiteList: ConfigKey<Readonly<Record<string, string>>> = {
  key: "nodeLabelWhiteList",
  default: "",
  valid: "map of texts",
  meaning: "labels that a machine must carry to get a Node",
  schema: { ...nullable("object"), additionalProperties: { type: "string" } },
  read: (reader) => reader.textMap("nodeLabelWhiteList"),
};

const backoffOverride: ConfigKey<unknown> = {
  key: "backoffOverride",
  default: "",
  valid: "object",
  meaning: "",
  schema: nullable("object"),
  read: (reader) => reader.opaque("backoffOverride"),
};

const rateLimit: ConfigKey<Readonly<Partial<Record<ApiName, number>>>> = {
  key: "rateLimit",
  default: "",
  valid: "API → 1 or more; a misspelt API is refused",
  meaning: "calls per minute, where they are not the published ones",
  schema: {
    ...nullable("object"),
    propertyNames: { enum: apiNames },
    additionalProperties: { type: "integer", minimum: 1 },
  },
  read: readRateLimit,
};

/** Calls per minute by API. A misspelt name would leave the default in force without a word, so it is refused. */
function readRateLimit(reader: ConfigReader): Readonly<Partial<Record<ApiName, number>>> {
  const limits: Partial<Record<ApiName, number>> = {};
  for (const [name, callsPerMinute] of Object.entries(reader.countMap("rateLimit"))) {
    if (isApiName(name)) limits[name] = callsPerMinute;
    else {
      const nearest = findNearest(name, apiNames);
      const remedy = nearest === undefined ? "remove it" : `use ${nearest}`;
      reader.reject("rateLimit", `${name} is no API with a limit`, remedy);
    }
  }
  return limits;
}

// ---- the table ----

const workers = { min: 1, max: 10_000 };
const poolWorkers = { min: 1, max: 20_000 };
const noPool = "the pool of shared interfaces is not there yet";

/** The configuration file. Members are its keys with our spelling of acronyms and units. Source: the published file. */
export const configKeys = {
  regionId: text("regionID", "", "region of the cluster; empty: what the ECS metadata service says"),
  clusterId: requiredText(
    "clusterID",
    "tag `ack.aliyun.com` of every interface",
    "set it to the id of this cluster; every interface is tagged with it",
  ),
  vpcId: requiredText("vpcID", "VPC of the cluster", "set it to the id of the cluster's VPC"),
  controllers,
  controllerName: text("controllerName", "terway-controlplane", "name of lease, Secret and webhook configurations"),
  controllerNamespace: text("controllerNamespace", "kube-system", "namespace of lease and Secret"),
  leaderElection: flag("leaderElection", false, "on for more than one replica"),
  leaseDurationMs: leaseTime("leaseDuration", "15s", "how long a lease is good; longer than `renewDeadline`"),
  renewDeadlineMs: leaseTime("renewDeadline", "10s", "a leader that renewed nothing for so long stops"),
  retryPeriodMs: leaseTime("retryPeriod", "2s", "between two tries; 1.2 times it is less than `renewDeadline`"),
  leaseLockName: idle(text("leaseLockName", "terway-controller-lock", ""), "the lease is named by `controllerName`"),
  leaseLockNamespace: idle(text("leaseLockNamespace", "kube-system", ""), "the lease is in `controllerNamespace`"),
  healthzBindAddress: address("healthzBindAddress", "0.0.0.0:80", "`/healthz`, `/readyz`"),
  metricsBindAddress: address("metricsBindAddress", "0", "`/metrics`", "0"),
  disableWebhook: flag("disableWebhook", false, "admission is not served"),
  webhookPort: integer("webhookPort", 4443, { min: 1, max: 65_535 }, "HTTPS, `/mutating` and `/validate`"),
  certDir: text("certDir", "/var/run/webhook-cert", "for `ca.crt`, `tls.crt`, `tls.key`, mode 0600"),
  clusterDomain: text("clusterDomain", "cluster.local", "organisation in the certificate authority's name"),
  kubeClientQps: number("kubeClientQPS", 20, { min: Number.MIN_VALUE, max: 10_000 }, "API server: requests per second"),
  kubeClientBurst: integer("kubeClientBurst", 30, workers, "API server: requests at once"),
  podMaxConcurrent: integer("podMaxConcurrent", 10, workers, "workers of controller `pod`"),
  podEniMaxConcurrent: integer("podENIMaxConcurrent", 10, workers, "workers of controller `pod-eni`"),
  eniMaxConcurrent: integer("eniMaxConcurrent", 300, workers, "workers of controller `eni`"),
  enableTrunk: flag("enableTrunk", true, "pods of type `Default` become members of the trunk"),
  enableWebhookInjectResource: flag(
    "enableWebhookInjectResource",
    true,
    "admission writes `aliyun/eni` or `aliyun/member-eni` into the pod",
  ),
  ipStack: oneOf("ipStack", ["ipv4", "ipv6", "dual"], "ipv4", "addresses of a pod's interface"),
  customStatefulWorkloadKinds: texts("customStatefulWorkloadKinds", "further owner kinds whose pods keep their name"),
  ipamType: wordOrNone("ipamType", ["crd"], "`crd`: every pod uses a PodENI"),
  vSwitchPoolSize: integer("vSwitchPoolSize", 1_000, { min: 1, max: Infinity }, "vSwitches that are remembered"),
  vSwitchCacheTtlMs: duration("vSwitchCacheTTL", "20m0s", "how long a vSwitch is remembered"),
  rateLimit,
  degradation: wordOrNone(
    "degradation",
    ["l0", "l1"],
    "less work while the cloud is in trouble; [live](#while-it-runs)",
  ),
  nodeMaxConcurrent: integer("nodeMaxConcurrent", 10, workers, "workers of controller `node`"),
  nodeLabelWhiteList,
  centralizedIpam: flag(
    "centralizedIPAM",
    false,
    "with controller `node`: Nodes are filled from `eni-config`, trunks are made, and what nodes can carry is published; the pool of shared interfaces is not there yet",
  ),
  multiIpPodMaxConcurrent: idle(integer("multiIPPodMaxConcurrent", 500, poolWorkers, ""), noPool),
  multiIpNodeMaxConcurrent: idle(integer("multiIPNodeMaxConcurrent", 500, poolWorkers, ""), noPool),
  multiIpNodeSyncPeriodMs: idle(duration("multiIPNodeSyncPeriod", "12h", ""), noPool),
  multiIpGcPeriodMs: idle(duration("multiIPGCPeriod", "2m", ""), noPool),
  multiIpMinSyncPeriodOnFailureMs: idle(duration("multiIPMinSyncPeriodOnFailure", "1s", ""), noPool),
  multiIpMaxSyncPeriodOnFailureMs: idle(duration("multiIPMaxSyncPeriodOnFailure", "300s", ""), noPool),
  enableTrace: idle(flag("enableTrace", false, ""), "traces are not exported"),
  backoffOverride: idle(backoffOverride, "waits follow the cloud's answers"),
  enableDevicePlugin: idle(flag("enableDevicePlugin", false, ""), "the published program does not use it either"),
};

/** What the configuration file says, complete. */
export type FileConfig = ValuesOf<typeof configKeys>;
