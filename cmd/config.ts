/** Reads, checks and completes the configuration of the controlplane: the published files and environment. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { apiNames, isApiName } from "../cloud/call.ts";
import type { ApiName } from "../cloud/call.ts";
import { ConfigError, ConfigReader, findNearest, isDocument } from "./config-reader.ts";
import type { ConfigProblem } from "./config-reader.ts";

export { ConfigError } from "./config-reader.ts";
export { parseFlags } from "./flags.ts";

/**
 * The configuration file, complete and checked. Names are those of its keys with our spelling of acronyms and units; what
 * each key means is in docs/configuration.md.
 */
export type ControlplaneConfig = ReturnType<typeof readConfig> & { readonly environment: CloudEnvironment };

/** The credential file. Never logged. */
export interface CredentialConfig {
  /** Static access key; empty means one of the other sources. */
  readonly accessKey: string;
  readonly accessSecret: string;
  /** Encrypted token file; empty for none. */
  readonly credentialPath: string;
  readonly otelEndpoint: string;
  readonly otelToken: string;
}

/** How the cloud is reached. Source: environment variables, named at each member. */
export interface CloudEnvironment {
  /** `ECS_ENDPOINT`: host, or host:port. */
  readonly ecsEndpoint: string | undefined;
  /** `VPC_ENDPOINT` */
  readonly vpcEndpoint: string | undefined;
  /** `ALICLOUD_CLIENT_SCHEME=HTTP` */
  readonly scheme: "HTTP" | "HTTPS";
  /** `ALICLOUD_ENDPOINT_TYPE=public` */
  readonly endpointType: "public" | "vpc";
  /** `X-ACSPROXY-ASCM-CONTEXT`, sent as a header of that name. */
  readonly ascmContext: string | undefined;
  /** RRSA, when all of `ALIBABA_CLOUD_ROLE_ARN`, `_OIDC_PROVIDER_ARN` and `_OIDC_TOKEN_FILE` are set. */
  readonly rrsa:
    { readonly roleArn: string; readonly oidcProviderArn: string; readonly oidcTokenFile: string } | undefined;
}

export interface LoadedConfig {
  readonly config: ControlplaneConfig;
  readonly credential: CredentialConfig;
  /** For the log: unknown keys, and keys that have no effect. */
  readonly warnings: readonly string[];
}

/**
 * The configuration of this process.
 *
 * `config.regionId` is empty when the file has none: it is then to be read from the ECS metadata service.
 * @throws ConfigError naming every problem of both files at once
 */
export function loadConfig(source: {
  readonly configPath: string;
  readonly credentialPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const reader = new ConfigReader(readDocument(source.configPath, "--config", problems));
  const secrets = new ConfigReader(readDocument(source.credentialPath, "--credential", problems), true);
  // A file that is not there has every key missing; saying so for each would hide the one thing to mend.
  const isReadable = !problems.some(({ key }) => key === "--config");
  const config = { ...readConfig(reader), environment: readEnvironment(source.env) };
  const credential = readCredential(secrets);
  reader.warnOfUnknown();
  secrets.warnOfUnknown();
  problems.push(...(isReadable ? reader.problems : []), ...secrets.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, credential, warnings: [...reader.warnings, ...secrets.warnings, ...findIdleKeys(config)] };
}

function readDocument(path: string, flag: string, problems: ConfigProblem[]): Readonly<Record<string, unknown>> {
  const fail = (problem: string, remedy: string): Readonly<Record<string, unknown>> => {
    problems.push({ key: flag, value: path, problem, remedy });
    return {};
  };
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return fail(`cannot be read: ${messageOf(error)}`, `make the file, or name another one with ${flag}`);
  }
  try {
    const document: unknown = parse(text, { uniqueKeys: false }) ?? {};
    if (isDocument(document)) return document;
    return fail("is no YAML object", "write one key per line: `clusterID: c123`");
  } catch (error) {
    return fail(`is no YAML: ${messageOf(error).split("\n")[0] ?? ""}`, "correct the line that it names");
  }
}

const concurrency = { min: 1, max: 10_000 };
const poolConcurrency = { min: 1, max: 20_000 };

function readConfig(reader: ConfigReader) {
  return {
    ...readProcessKeys(reader),
    ...readControllerKeys(reader),
    ...readCloudKeys(reader),
    ...readPoolKeys(reader),
  };
}

function readProcessKeys(reader: ConfigReader) {
  return {
    leaseLockName: reader.text("leaseLockName", "terway-controller-lock"),
    leaseLockNamespace: reader.text("leaseLockNamespace", "kube-system"),
    ...readLeaseTimes(reader),
    controllerNamespace: reader.text("controllerNamespace", "kube-system"),
    controllerName: reader.text("controllerName", "terway-controlplane"),
    healthzBindAddress: readAddress(reader, "healthzBindAddress", "0.0.0.0:80"),
    /** "0" turns the endpoint off. */
    metricsBindAddress: readAddress(reader, "metricsBindAddress", "0"),
    clusterDomain: reader.text("clusterDomain", "cluster.local"),
    disableWebhook: reader.flag("disableWebhook", false),
    webhookPort: reader.integer("webhookPort", 4443, { min: 1, max: 65_535 }),
    certDir: reader.text("certDir", "/var/run/webhook-cert"),
    leaderElection: reader.flag("leaderElection", false),
    enableTrace: reader.flag("enableTrace", false),
    kubeClientQps: reader.number("kubeClientQPS", 20, { min: Number.MIN_VALUE, max: 10_000 }),
    kubeClientBurst: reader.integer("kubeClientBurst", 30, concurrency),
  };
}

function readLeaseTimes(reader: ConfigReader) {
  const times = {
    leaseDurationMs: reader.lenientDurationMs("leaseDuration", 15_000),
    renewDeadlineMs: reader.lenientDurationMs("renewDeadline", 10_000),
    retryPeriodMs: reader.lenientDurationMs("retryPeriod", 2_000),
  };
  if (times.leaseDurationMs <= times.renewDeadlineMs) {
    reader.reject("leaseDuration", "must be longer than renewDeadline", "15s, 10s and 2s are the defaults");
  }
  // client-go's rule: a renewal must be tried at least once before the deadline, jitter of 1.2 included.
  if (times.renewDeadlineMs <= times.retryPeriodMs * 1.2) {
    reader.reject("renewDeadline", "must be longer than 1.2 times retryPeriod", "15s, 10s and 2s are the defaults");
  }
  return times;
}

function readAddress(reader: ConfigReader, key: string, fallback: string): string {
  const text = reader.text(key, fallback);
  const port = /^(?:\[[0-9a-fA-F:.]*\]|[^:]*):(\d{1,5})$/.exec(text)?.[1];
  if (text === "0" && fallback === "0") return text;
  if (port !== undefined && Number(port) <= 65_535) return text;
  reader.reject(key, "must be host:port", "write it as 0.0.0.0:8080");
  return fallback;
}

function readControllerKeys(reader: ConfigReader) {
  return {
    controllers: reader.texts("controllers"),
    podMaxConcurrent: reader.integer("podMaxConcurrent", 10, concurrency),
    podEniMaxConcurrent: reader.integer("podENIMaxConcurrent", 10, concurrency),
    eniMaxConcurrent: reader.integer("eniMaxConcurrent", 300, concurrency),
    nodeMaxConcurrent: reader.integer("nodeMaxConcurrent", 10, concurrency),
    nodeLabelWhiteList: reader.textMap("nodeLabelWhiteList"),
    enableTrunk: reader.flag("enableTrunk", true),
    enableDevicePlugin: reader.flag("enableDevicePlugin", false),
    enableWebhookInjectResource: reader.flag("enableWebhookInjectResource", true),
    ipStack: reader.oneOf("ipStack", ["ipv4", "ipv6", "dual"], "ipv4"),
    customStatefulWorkloadKinds: reader.texts("customStatefulWorkloadKinds"),
    /** `crd`: every pod uses a PodENI. */
    ipamType: reader.text("ipamType"),
    centralizedIpam: reader.flag("centralizedIPAM", false),
    degradation: reader.text("degradation"),
  };
}

function readCloudKeys(reader: ConfigReader) {
  return {
    /** Empty: read it from the ECS metadata service. */
    regionId: reader.text("regionID"),
    clusterId: reader.required("clusterID", "", "set it to the id of this cluster; every interface is tagged with it"),
    vpcId: reader.required("vpcID", "", "set it to the id of the cluster's VPC"),
    vSwitchPoolSize: reader.integer("vSwitchPoolSize", 1_000, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    vSwitchCacheTtlMs: reader.durationMs("vSwitchCacheTTL", "20m0s"),
    rateLimit: readRateLimit(reader),
    backoffOverride: reader.opaque("backoffOverride"),
  };
}

function readPoolKeys(reader: ConfigReader) {
  return {
    multiIpPodMaxConcurrent: reader.integer("multiIPPodMaxConcurrent", 500, poolConcurrency),
    multiIpNodeMaxConcurrent: reader.integer("multiIPNodeMaxConcurrent", 500, poolConcurrency),
    multiIpNodeSyncPeriodMs: reader.durationMs("multiIPNodeSyncPeriod", "12h"),
    multiIpGcPeriodMs: reader.durationMs("multiIPGCPeriod", "2m"),
    multiIpMinSyncPeriodOnFailureMs: reader.durationMs("multiIPMinSyncPeriodOnFailure", "1s"),
    multiIpMaxSyncPeriodOnFailureMs: reader.durationMs("multiIPMaxSyncPeriodOnFailure", "300s"),
  };
}

/** Calls per minute by API. A misspelt name would leave the default in force without a word, so it is refused. */
function readRateLimit(reader: ConfigReader): Readonly<Partial<Record<ApiName, number>>> {
  const limits: Partial<Record<ApiName, number>> = {};
  for (const [name, callsPerMinute] of Object.entries(reader.countMap("rateLimit"))) {
    if (isApiName(name)) limits[name] = callsPerMinute;
    else {
      const nearest = findNearest(name, apiNames);
      reader.reject(
        "rateLimit",
        `${name} is no API with a limit`,
        nearest === undefined ? "remove it" : `use ${nearest}`,
      );
    }
  }
  return limits;
}

function readCredential(reader: ConfigReader): CredentialConfig {
  const credential = {
    accessKey: reader.text("accessKey"),
    accessSecret: reader.text("accessSecret"),
    credentialPath: reader.text("credentialPath"),
    otelEndpoint: reader.text("otelEndpoint"),
    otelToken: reader.text("otelToken"),
  };
  if (credential.accessKey !== "" && credential.accessSecret === "") {
    reader.reject("accessSecret", "is required with accessKey", "set both, or neither to use another source");
  }
  if (credential.accessSecret !== "" && credential.accessKey === "") {
    reader.reject("accessKey", "is required with accessSecret", "set both, or neither to use another source");
  }
  return credential;
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>): CloudEnvironment {
  const of = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  return {
    ecsEndpoint: of("ECS_ENDPOINT"),
    vpcEndpoint: of("VPC_ENDPOINT"),
    scheme: of("ALICLOUD_CLIENT_SCHEME")?.toUpperCase() === "HTTP" ? "HTTP" : "HTTPS",
    endpointType: of("ALICLOUD_ENDPOINT_TYPE") === "public" ? "public" : "vpc",
    ascmContext: of("X-ACSPROXY-ASCM-CONTEXT"),
    rrsa: readRrsa(of),
  };
}

function readRrsa(of: (name: string) => string | undefined): CloudEnvironment["rrsa"] {
  const roleArn = of("ALIBABA_CLOUD_ROLE_ARN");
  const oidcProviderArn = of("ALIBABA_CLOUD_OIDC_PROVIDER_ARN");
  const oidcTokenFile = of("ALIBABA_CLOUD_OIDC_TOKEN_FILE");
  if (roleArn === undefined || oidcProviderArn === undefined || oidcTokenFile === undefined) return undefined;
  return { roleArn, oidcProviderArn, oidcTokenFile };
}

/** Controllers that the list may name, and whether each runs when the list says nothing. Source: the published registry. */
export const controllerDefaults: Readonly<Record<string, boolean>> = {
  pod: true,
  "pod-eni": true,
  eni: true,
  "pod-networking": true,
  node: false,
  "multi-ip-node": false,
  "multi-ip-pod": false,
};

/**
 * True when the controller is to run. The first entry of `controllers` that is its name, `-name` or `*` decides, else the
 * default; so `["*", "-pod"]` runs `pod`.
 */
export function isControllerEnabled(name: string, controllers: readonly string[]): boolean {
  const entry = controllers.find((candidate) => [name, `-${name}`, "*"].includes(candidate));
  return entry === undefined ? (controllerDefaults[name] ?? false) : entry !== `-${name}`;
}

/** What is set and does nothing, so that nobody relies on it. */
function findIdleKeys(config: ControlplaneConfig): readonly string[] {
  const unknown = config.controllers.filter(
    (entry) => entry !== "*" && !Object.hasOwn(controllerDefaults, entry.replace(/^-/, "")),
  );
  const { degradation, ipamType } = config;
  return [
    ...unknown.map((entry) => `controllers names ${entry}, which is no controller`),
    ...(config.enableTrace ? ["enableTrace is set; traces are not exported"] : []),
    ...(config.backoffOverride === undefined
      ? []
      : ["backoffOverride has no effect; waits follow the cloud's answers"]),
    ...(["", "l0", "l1"].includes(degradation) ? [] : [`degradation ${degradation} is unknown; use l0 or l1`]),
    ...(["", "crd"].includes(ipamType) ? [] : [`ipamType ${ipamType} is unknown; only crd has an effect`]),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
