import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ConfigError, isControllerEnabled, loadConfig, parseFlags } from "./config.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Text of a configuration file that is complete and otherwise all defaults. */
const minimal = "regionID: cn-hangzhou\nclusterID: c1\nvpcID: vpc-1\n";

function load(given: { config?: string; credential?: string; env?: Record<string, string> }) {
  const configPath = join(folder, "config.yaml");
  const credentialPath = join(folder, "credential.yaml");
  writeFileSync(configPath, minimal + (given.config ?? ""));
  writeFileSync(credentialPath, given.credential ?? "");
  return loadConfig({ configPath, credentialPath, env: given.env ?? {} });
}

function problemsOf(work: () => unknown): string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  it("completes a minimal file with the published defaults", () => {
    const { config, credential, warnings } = load({});
    expect(config).toMatchObject({
      controllerName: "terway-controlplane",
      controllerNamespace: "kube-system",
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      healthzBindAddress: "0.0.0.0:80",
      metricsBindAddress: "0",
      webhookPort: 4443,
      certDir: "/var/run/webhook-cert",
      leaderElection: false,
      podMaxConcurrent: 10,
      eniMaxConcurrent: 300,
      enableTrunk: true,
      enableWebhookInjectResource: true,
      ipStack: "ipv4",
      kubeClientQps: 20,
      kubeClientBurst: 30,
      vSwitchPoolSize: 1000,
      vSwitchCacheTtlMs: 1_200_000,
      multiIpNodeSyncPeriodMs: 43_200_000,
      rateLimit: {},
      environment: { scheme: "HTTPS", endpointType: "vpc", ecsEndpoint: undefined, rrsa: undefined },
    });
    expect(credential.accessKey).toBe("");
    expect(warnings).toEqual([]);
  });

  it("reads every kind of value, names in any case, and keeps an explicit false", () => {
    const { config } = load({
      config: [
        "enableTrunk: false",
        "leaderElection: yes",
        "WebhookPort: 4444",
        "vSwitchCacheTTL: 30s",
        "leaseDuration: 6s",
        "renewDeadline: 4s",
        "retryPeriod: 1s",
        "controllers: [pod, -eni]",
        "rateLimit: {AttachNetworkInterface: 50}",
        "customStatefulWorkloadKinds: [CloneSet]",
        "nodeLabelWhiteList: {pool: a}",
      ].join("\n"),
    });
    expect(config).toMatchObject({
      enableTrunk: false,
      leaderElection: true,
      webhookPort: 4444,
      vSwitchCacheTtlMs: 30_000,
      leaseDurationMs: 6_000,
      controllers: ["pod", "-eni"],
      rateLimit: { AttachNetworkInterface: 50 },
      customStatefulWorkloadKinds: ["CloneSet"],
      nodeLabelWhiteList: { pool: "a" },
    });
  });

  it("replaces a text or number that is set to its zero value by the default", () => {
    const { config } = load({
      config: 'webhookPort: 0\ncontrollerName: ""\npodMaxConcurrent: 0\nclusterDomain: null\n',
    });
    expect(config).toMatchObject({
      webhookPort: 4443,
      controllerName: "terway-controlplane",
      podMaxConcurrent: 10,
      clusterDomain: "cluster.local",
    });
  });

  it("reports every problem of both files at once, with key, value and remedy, and never a secret", () => {
    const lines = problemsOf(() =>
      load({
        config:
          "vpcID: 7\nwebhookPort: 70000\nipStack: ipv5\nvSwitchCacheTTL: soon\nhealthzBindAddress: here\nkubeClientBurst: 1.5",
        credential: "accessKey: LTAI-secret-key\n",
      }),
    );
    expect(lines).toEqual([
      "vpcID = 7: must be a text; put it in quotes",
      'healthzBindAddress = "here": must be host:port; write it as 0.0.0.0:8080',
      "webhookPort = 70000: is out of range; use 1 to 65535",
      "kubeClientBurst = 1.5: must be a whole number; use 1 to 10000",
      'ipStack = "ipv5": is not a known word; use ipv4, ipv6, dual',
      'vSwitchCacheTTL = "soon": must be a positive duration; write it as 500ms, 30s, 20m0s or 12h (default 20m0s)',
      "accessSecret: is required with accessKey; set both, or neither to use another source",
    ]);
    expect(lines.join()).not.toContain("LTAI");
  });

  it("names the nearest API for a misspelt rate limit", () => {
    expect(
      problemsOf(() => load({ config: "rateLimit: {AttachNetworkInterfaces: 50, CreateNetworkInterface: 0}" })),
    ).toEqual([
      expect.stringContaining("must map names to whole numbers of 1 or more; correct CreateNetworkInterface"),
      expect.stringContaining("AttachNetworkInterfaces is no API with a limit; use AttachNetworkInterface"),
    ]);
  });

  it("requires cluster and VPC, and leaves an absent region to the metadata service", () => {
    const configPath = join(folder, "empty.yaml");
    writeFileSync(configPath, "# nothing\n");
    const lines = problemsOf(() => loadConfig({ configPath, credentialPath: configPath, env: {} }));
    expect(lines.map((line) => line.split(":")[0])).toEqual(["clusterID", "vpcID"]);
  });

  it.each([
    { name: "a missing file", text: undefined, want: /cannot be read: .*ENOENT.*name another one with --config/ },
    { name: "a list", text: "- a\n", want: /is no YAML object/ },
    { name: "broken YAML", text: "a: [\n", want: /is no YAML: / },
  ])("$name is one problem, not one for each key", ({ text, want }) => {
    const configPath = join(folder, `file-${want.source.length}.yaml`);
    if (text !== undefined) writeFileSync(configPath, text);
    const credentialPath = join(folder, "credential.yaml");
    writeFileSync(credentialPath, "");
    expect(problemsOf(() => loadConfig({ configPath, credentialPath, env: {} }))).toEqual([
      expect.stringMatching(want),
    ]);
  });

  it("refuses lease times that can never work, and warns of one that does not parse", () => {
    expect(problemsOf(() => load({ config: "leaseDuration: 5s\n" }))).toEqual([
      expect.stringContaining("must be longer than renewDeadline"),
    ]);
    const { config, warnings } = load({ config: "leaseDuration: 15\n".replace("15", "'15'") });
    expect(config.leaseDurationMs).toBe(15_000);
    expect(warnings).toEqual(['leaseDuration = "15" is no duration; 15s is used']);
  });

  it("warns of unknown keys with the nearest known one, and of keys without effect", () => {
    const { warnings } = load({
      config:
        "podMaxConcurent: 5\nfoo: 1\ncontrollers: [pods]\nenableTrace: true\nbackoffOverride: {eni_create: {}}\ndegradation: l9",
    });
    expect(warnings).toEqual([
      "controllers names pods, which is no controller",
      'degradation = "l9" is none of l0, l1; it is taken for empty',
      "enableTrace has no effect: traces are not exported",
      "backoffOverride has no effect: waits follow the cloud's answers",
      "unknown key podMaxConcurent is ignored; did you mean podMaxConcurrent?",
      "unknown key foo is ignored",
    ]);
  });

  it.each([
    { word: "yes", want: true },
    { word: "On", want: true },
    { word: "y", want: true },
    { word: "no", want: false },
    { word: "OFF", want: false },
    { word: "N", want: false },
  ])("takes $word for $want, as YAML 1.1 does", ({ word, want }) => {
    expect(load({ config: `enableTrunk: ${word}\n` }).config.enableTrunk).toBe(want);
  });

  it.each([
    { name: "both keys", text: "accessKey: a\naccessSecret: b\n", want: { accessKey: "a", accessSecret: "b" } },
    { name: "a token file", text: "credentialPath: /t\n", want: { credentialPath: "/t", accessKey: "" } },
    { name: "tracing", text: "otelEndpoint: h:1\notelToken: t\n", want: { otelEndpoint: "h:1", otelToken: "t" } },
    { name: "nothing", text: "", want: { accessKey: "", accessSecret: "", credentialPath: "", otelEndpoint: "" } },
  ])("the credential file may have $name", ({ text, want }) => {
    const { credential, warnings } = load({ credential: text });
    expect(credential).toMatchObject(want);
    expect(warnings).toEqual([]);
  });

  it("a secret without its key is refused, an unknown key of the credential file is named, its value never", () => {
    expect(problemsOf(() => load({ credential: "accessSecret: s3cret\n" }))).toEqual([
      "accessKey: is required with accessSecret; set both, or neither to use another source",
    ]);
    expect(problemsOf(() => load({ credential: "accessKey: [s3cret]\n" })).join()).not.toContain("s3cret");
    expect(load({ credential: "acessKey: s3cret\n" }).warnings).toEqual([
      "unknown key acessKey is ignored; did you mean accessKey?",
    ]);
  });

  it.each([
    {
      name: "an alias",
      credential: "accessKey: a\naccessSecret: *s3cret\n",
      want: "is no YAML; write one key per line, its value in quotes",
    },
    { name: "a quote that does not end", credential: 'accessSecret: "s3cret\n', want: "is no YAML: line 2, column" },
    { name: "a text", credential: "s3cret", want: "is no YAML object" },
  ])("a credential file with $name is refused, and nothing of it is shown", ({ credential, want }) => {
    const lines = problemsOf(() => load({ credential })).join("\n");
    expect(lines).toContain(want);
    expect(lines).not.toContain("s3cret");
  });

  it("a secret that became a key is not named, and no YAML tag makes the parser tell of it", () => {
    const emitWarning = process.emitWarning.bind(process);
    const warned: unknown[] = [];
    process.emitWarning = (warning: string | Error) => void warned.push(warning);
    try {
      const { warnings } = load({
        credential: "{accessKey: a, accessSecret: !s3cret b, accessSecret:s3cretOfManyLetters}",
      });
      expect([...warnings, ...warned]).toEqual(["unknown key is ignored"]);
    } finally {
      process.emitWarning = emitWarning;
    }
  });

  const rrsa = {
    ALIBABA_CLOUD_ROLE_ARN: "acs:ram::1:role/r",
    ALIBABA_CLOUD_OIDC_PROVIDER_ARN: "acs:ram::1:oidc-provider/p",
    ALIBABA_CLOUD_OIDC_TOKEN_FILE: "/token",
  };
  it.each([
    {
      name: "nothing",
      env: {},
      want: { ecsEndpoint: undefined, scheme: "HTTPS", endpointType: "vpc", rrsa: undefined },
    },
    { name: "ECS_ENDPOINT", env: { ECS_ENDPOINT: "127.0.0.1:9000" }, want: { ecsEndpoint: "127.0.0.1:9000" } },
    { name: "an empty VPC_ENDPOINT", env: { VPC_ENDPOINT: "" }, want: { vpcEndpoint: undefined } },
    { name: "VPC_ENDPOINT", env: { VPC_ENDPOINT: "vpc.local" }, want: { vpcEndpoint: "vpc.local" } },
    { name: "the scheme HTTP", env: { ALICLOUD_CLIENT_SCHEME: "HTTP" }, want: { scheme: "HTTP" } },
    { name: "another scheme", env: { ALICLOUD_CLIENT_SCHEME: "ftp" }, want: { scheme: "HTTPS" } },
    { name: "public endpoints", env: { ALICLOUD_ENDPOINT_TYPE: "public" }, want: { endpointType: "public" } },
    { name: "other endpoints", env: { ALICLOUD_ENDPOINT_TYPE: "any" }, want: { endpointType: "vpc" } },
    { name: "the ASCM context", env: { "X-ACSPROXY-ASCM-CONTEXT": "{}" }, want: { ascmContext: "{}" } },
    { name: "all of RRSA", env: rrsa, want: { rrsa: { roleArn: "acs:ram::1:role/r", oidcTokenFile: "/token" } } },
    { name: "half of RRSA", env: { ...rrsa, ALIBABA_CLOUD_ROLE_ARN: "" }, want: { rrsa: undefined } },
  ])("the environment with $name", ({ env, want }) => {
    expect(load({ env }).config.environment).toMatchObject(want);
  });
});

describe("isControllerEnabled", () => {
  it.each([
    { controllers: [], name: "pod", want: true },
    { controllers: [], name: "node", want: false },
    { controllers: ["*", "-pod"], name: "pod", want: true },
    { controllers: ["-pod", "*"], name: "pod", want: false },
    { controllers: ["pod"], name: "eni", want: true },
    { controllers: ["node"], name: "node", want: true },
    { controllers: ["-eni"], name: "eni", want: false },
    { controllers: ["*"], name: "multi-ip-node", want: true },
    { controllers: ["*"], name: "pod-networking", want: true },
    { controllers: ["pod", "-pod"], name: "pod", want: true },
    { controllers: ["-pod", "pod"], name: "pod", want: false },
    { controllers: ["pod-eni", "pod", "pod-networking", "node"], name: "eni", want: true },
  ])("$controllers makes $name $want", ({ controllers, name, want }) => {
    expect(isControllerEnabled(name, controllers)).toBe(want);
  });
});

describe("parseFlags", () => {
  it("has the published defaults", () => {
    expect(parseFlags([])).toMatchObject({
      configPath: "/etc/config/ctrl-config.yaml",
      credentialPath: "/etc/credential/ctrl-secret.yaml",
      verbosity: 0,
      kubeconfigPath: undefined,
      featureGates: { EFLO: true, ENIAttributeBasic: false },
    });
  });

  it("takes one dash or two, a value in the same word or the next", () => {
    expect(
      parseFlags(["-config=a", "--credential", "b", "-v", "4", "--feature-gates=EFLO=false, ENIAttributeBasic=t"]),
    ).toMatchObject({
      configPath: "a",
      credentialPath: "b",
      verbosity: 4,
      featureGates: { EFLO: false, ENIAttributeBasic: true },
    });
  });

  it.each([
    { flags: ["-v", "2", "-feature-gates="], warnings: [] },
    { flags: ["--feature-gates=EFLO=true,AutoDataPathV2=false,KubeProxyReplacement=true"], warnings: [] },
    { flags: ["--feature-gates", "EFLO=false"], warnings: [expect.stringMatching(/EFLO=false has no effect/)] },
    {
      flags: ["--feature-gates", "ENIAttributeBasic=true,WriteCNIConfFirst=true"],
      warnings: [expect.stringMatching(/ENIAttributeBasic=true has no effect/)],
    },
    { flags: ["-vmodule=pool=4"], warnings: [expect.stringMatching(/-vmodule has no effect/)] },
  ])("$flags are accepted; what they set without effect is named", ({ flags, warnings }) => {
    expect(parseFlags(flags).warnings).toEqual(warnings);
  });

  it.each([
    { name: "the last of a name wins", flags: ["-v=1", "--v=3"], want: { verbosity: 3 } },
    { name: "-- ends the flags", flags: ["-v=1", "--", "-v=3"], want: { verbosity: 1 } },
    { name: "a kubeconfig", flags: ["--kubeconfig", "/k"], want: { kubeconfigPath: "/k" } },
    { name: "an equals sign in a value", flags: ["--config=a=b"], want: { configPath: "a=b" } },
  ])("reads flags as Go does: $name", ({ flags, want }) => {
    expect(parseFlags(flags)).toMatchObject(want);
  });

  it("reports every wrong flag at once", () => {
    expect(
      problemsOf(() => parseFlags(["--nope=s3cret", "-v=high", "--feature-gates=Foo=true,EFLO=maybe", "--config"])),
    ).toEqual([
      expect.stringContaining("--nope: is no flag of this program"),
      expect.stringContaining("--config: needs a value"),
      expect.stringContaining('"Foo=true": unknown feature gate'),
      expect.stringContaining('"EFLO=maybe": has no boolean value'),
      expect.stringContaining('-v = "high": must be a whole number'),
    ]);
  });
});
