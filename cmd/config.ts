/** Reads, checks and completes the configuration of the controlplane: the published files and environment. */
import { readFileSync } from "node:fs";
import { parse, YAMLParseError } from "yaml";
import { configKeys, readKeys, type FileConfig } from "./config-keys.ts";
import { ConfigError, ConfigReader, isDocument } from "./config-reader.ts";
import type { ConfigProblem } from "./config-reader.ts";

export { isControllerEnabled } from "./config-controllers.ts";
export { ConfigError } from "./config-reader.ts";
export { parseFlags } from "./flags.ts";

/** The configuration file, complete and checked, and the environment. */
export type ControlplaneConfig = FileConfig & { readonly environment: CloudEnvironment };

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
  const { configPath, credentialPath, env } = source;
  return parseSources({ config: readContent(configPath), credential: readContent(credentialPath), env });
}

/** As {@link loadConfig}, of files that were read. */
export function parseSources(source: {
  readonly config: Content;
  readonly credential: Content;
  readonly env: Readonly<Record<string, string | undefined>>;
}): LoadedConfig {
  const file = parseConfigFile(source.config);
  const problems = [...file.problems];
  const document = parseDocument(source.credential, { flag: "--credential", isSecret: true }, problems);
  const secrets = new ConfigReader(document, true);
  const credential = readCredential(secrets);
  secrets.warnOfUnknown();
  problems.push(...secrets.problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const config = { ...file.config, environment: readEnvironment(source.env) };
  return { config, credential, warnings: [...file.warnings, ...secrets.warnings] };
}

/** A file as it was found: its text, or why there is none. */
export type Content = { readonly path: string } & ({ readonly text: string } | { readonly unreadable: string });

/** Reads a file; never throws. */
export function readContent(path: string): Content {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (error) {
    return { path, unreadable: messageOf(error) };
  }
}

/** The configuration file, taken apart. */
export interface ConfigFile {
  /** Complete; a key with a problem has its default. */
  readonly config: FileConfig;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly string[];
  /** Keys whose value made no sense and was replaced by the default, with a warning. */
  readonly replaced: ReadonlySet<string>;
}

/** Takes a configuration file apart. Pure and total. */
export function parseConfigFile(content: Content): ConfigFile {
  const problems: ConfigProblem[] = [];
  const reader = new ConfigReader(parseDocument(content, { flag: "--config", isSecret: false }, problems));
  const config = readKeys(reader, configKeys);
  checkTogether(reader, config);
  reader.warnOfUnknown();
  // A file that is not there has every key missing; saying so for each would hide the one thing to mend.
  if (problems.length === 0) problems.push(...reader.problems);
  return { config, problems, warnings: reader.warnings, replaced: reader.replaced };
}

/** `isSecret`: nothing of the text is shown; the parser's words quote it. */
function parseDocument(
  content: Content,
  { flag, isSecret }: { readonly flag: string; readonly isSecret: boolean },
  problems: ConfigProblem[],
): Readonly<Record<string, unknown>> {
  const fail = (problem: string, remedy: string): Readonly<Record<string, unknown>> => {
    problems.push({ key: flag, value: content.path, problem, remedy });
    return {};
  };
  if ("unreadable" in content) {
    return fail(`cannot be read: ${content.unreadable}`, `make the file, or name another one with ${flag}`);
  }
  try {
    const document: unknown = parse(content.text, { uniqueKeys: false, logLevel: "error" }) ?? {};
    if (isDocument(document)) return document;
    return fail("is no YAML object", "write one key per line: `clusterID: c123`");
  } catch (error) {
    if (isSecret) return fail(`is no YAML${placeOf(error)}`, "write one key per line, its value in quotes");
    return fail(`is no YAML: ${messageOf(error).split("\n")[0] ?? ""}`, "correct the line that it names");
  }
}

/** Of some mistakes the parser knows no place. */
function placeOf(error: unknown): string {
  const [position] = error instanceof YAMLParseError ? (error.linePos ?? []) : [];
  return position === undefined ? "" : `: line ${position.line}, column ${position.col}`;
}

/** What no single key can tell. */
function checkTogether(reader: ConfigReader, { leaseDurationMs, renewDeadlineMs, retryPeriodMs }: FileConfig): void {
  if (leaseDurationMs <= renewDeadlineMs) {
    reader.reject("leaseDuration", "must be longer than renewDeadline", "15s, 10s and 2s are the defaults");
  }
  // client-go's rule: a renewal must be tried at least once before the deadline, jitter of 1.2 included.
  if (renewDeadlineMs <= retryPeriodMs * 1.2) {
    reader.reject("renewDeadline", "must be longer than 1.2 times retryPeriod", "15s, 10s and 2s are the defaults");
  }
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
