/** Files, flags and environment as they may be found: a configuration, or an error that says what to mend. Never a secret. */
import { configKeys } from "../../cmd/config-keys.ts";
import { ConfigError, parseConfigFile, parseFlags, parseSources } from "../../cmd/config.ts";
import { parseEniConfig } from "../../domain/pod-network/eni-config.ts";
import { parseNodePoolConfig } from "../../domain/pod-network/node-pool-config.ts";
import { durations, type Draw } from "./draw.ts";
import { checkError } from "./errors.ts";
import { jsonText } from "./samples.ts";
import { listOf, membersOf, ofUtf8, promise, textOf, toBytes, type Json, type Target } from "./target.ts";

/** What a secret looks like; no part of it of this length may be told. */
export const secret = "LTAI5tMarkerQ7hX2vKzW9";

const keys = Object.values(configKeys).map(({ key }) => key);

function drawYaml(draw: Draw, lines: readonly string[]): string {
  const text = ofUtf8(lines.join("\n"));
  const odd = draw.pick([
    "a: &x {b: *x}",
    "a: &x [*x]",
    "? {a: 1}\n: 2",
    "- 1",
    "!!map x",
    "<<: {a: 1}",
    "--- \n...",
    "%TAG ! x",
    "\t- x",
  ]);
  return draw.chance(0.3) ? draw.mutateText(draw.chance(0.3) ? `${text}\n${odd}` : text, 4) : text;
}

function drawConfig(draw: Draw): string {
  const value = (): string =>
    draw.chance(0.5)
      ? draw.pick([
          "true",
          "no",
          "10",
          "0",
          "-1",
          "1e400",
          ".inf",
          ".nan",
          "0x10",
          "null",
          "~",
          "l0",
          "crd",
          "dual",
          '""',
          '"*"',
          "{}",
          "[]",
          "[a, 1]",
          "{a: 1}",
          "2026-01-01",
          ...durations,
        ])
      : JSON.stringify(draw.anything());
  const extra = draw.list(8, () => `${draw.word(keys, 0.1)}: ${value()}`);
  return drawYaml(draw, ["clusterID: c1", "vpcID: vpc-1", "regionID: cn-hangzhou", ...extra]);
}

function drawCredential(draw: Draw): string {
  const shown = (): string =>
    draw.pick([
      secret,
      `"${secret}"`,
      `'${secret}'`,
      `*${secret}`,
      `!${secret} x`,
      `&${secret} x`,
      `|\n  ${secret}`,
      `{${secret}: 1}`,
      `[${secret}]`,
      `@${secret}`,
      `%${secret}`,
      `${secret}: ${secret}`,
      `"${secret}`,
    ]);
  const line = (): string =>
    `${draw.word(["accessKey", "accessSecret", "otelToken", "credentialPath", "ACCESSKEY", secret, "acessSecret"])}${draw.pick([": ", ":", " ", "="])}${shown()}`;
  return drawYaml(draw, draw.list(5, line));
}

function drawFlag(draw: Draw): string {
  const name = draw.word(["config", "credential", "feature-gates", "v", "vmodule", "kubeconfig", "access-key"]);
  const value = draw.word(["EFLO=true", "EFLO=false,AutoDataPathV2=t", "4", "x", "--", "constructor=true", "="], 0.2);
  return draw.pick([`--${name}=${value}`, `-${name}`, value, `--${name}=${secret}`, "--"]);
}

function drawEniConf(draw: Draw): string {
  return jsonText(draw, {
    vswitches: { "zone-a": ["vsw-a"], "zone-b": draw.list(2, () => draw.word(["vsw-b"])) },
    security_group: draw.word(["sg-1"]),
    ...draw.some(
      {
        security_groups: () => draw.list(draw.chance(0.1) ? 12 : 2, () => draw.word(["sg-1", "sg-2", "sg-3"])),
        ip_stack: () => draw.word(["ipv4", "ipv6", "dual"]),
        vswitch_selection_policy: () => draw.word(["random", "ordered"]),
        eni_tags: () => draw.anything(),
        eni_tag_block_list: () => draw.list(2, () => ({ key: draw.oddText(), value: draw.oddText() })),
        ip_pool_sync_period: () => draw.duration(),
        idle_ip_reclaim_after: () => draw.duration(),
        idle_ip_reclaim_batch_size: () => draw.number(),
        max_pool_size: () => draw.number(),
        enable_eni_trunking: () => draw.chance(0.5),
      },
      0.3,
    ),
  });
}

export const configuration: Target = {
  name: "configuration",
  weight: 0.5,
  draw: (draw) => ({
    config: drawConfig(draw),
    credential: drawCredential(draw),
    flags: draw.list(4, () => drawFlag(draw)),
    env: draw.some(
      {
        ECS_ENDPOINT: () => draw.oddText(),
        ALICLOUD_CLIENT_SCHEME: () => draw.word(["http", "İ"]),
        ALIBABA_CLOUD_ROLE_ARN: () => draw.oddText(),
      },
      0.3,
    ),
    eniConf: drawEniConf(draw),
    overlay: draw.chance(0.5) ? drawEniConf(draw) : null,
  }),
  check: (input) => {
    const { config, credential, flags, env, eniConf, overlay } = membersOf(input);
    checkFiles(textOf(credential), membersOf(env));
    checkConfigFile(textOf(config));
    checkFlags(listOf(flags).map(textOf));
    checkEniConf(textOf(eniConf), overlay);
  },
};

/** The credential file, beside a configuration in order. @throws what is not a ConfigError; BrokenPromise when anything tells of the secret */
function checkFiles(credential: string, env: Readonly<Record<string, Json>>): void {
  const warned: string[] = [];
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning: string | Error) => void warned.push(String(warning));
  const texts = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, textOf(value)]));
  try {
    const loaded = parseSources({
      config: { path: "ctrl-config.yaml", text: "clusterID: c1\nvpcID: vpc-1\n" },
      credential: { path: "ctrl-secret.yaml", text: toBytes(credential).toString("utf8") },
      env: texts,
    });
    warned.push(...loaded.warnings);
  } catch (error) {
    checkConfigError(error);
    warned.push(String(error), error instanceof Error ? (error.stack ?? "") : "");
  } finally {
    process.emitWarning = emitWarning;
  }
  const told = warned.find((text) => tellsSecret(text));
  promise(told === undefined, () => `told: ${told ?? ""}`);
}

function checkConfigError(error: unknown): void {
  if (!(error instanceof ConfigError)) throw error;
  promise(error.problems.length > 0, "an error without a problem");
  for (const { key, problem, remedy } of error.problems) {
    promise(problem !== "" && remedy !== "", `no word of what to do about ${key}`);
  }
}

/** Half of it is as good as all of it. */
export function tellsSecret(text: string): boolean {
  const half = secret.length / 2;
  return text.includes(secret.slice(0, half)) || text.includes(secret.slice(half));
}

/** As it is read while the program runs: never an exception, and always something that can be compared. */
function checkConfigFile(text: string): void {
  const file = parseConfigFile({ path: "ctrl-config.yaml", text: toBytes(text).toString("utf8") });
  promise(JSON.stringify(file.config).startsWith("{"), "a configuration that cannot be compared");
  if (file.problems.length > 0) checkConfigError(new ConfigError(file.problems));
}

function checkFlags(words: readonly string[]): void {
  try {
    const { verbosity } = parseFlags(words);
    promise(Number.isInteger(verbosity), `verbosity ${verbosity}`);
  } catch (error) {
    checkConfigError(error);
    const isPath = words.some((word) => /^--?(config|credential|kubeconfig|vmodule|v|feature-gates)/.test(word));
    promise(isPath || !String(error).includes(`=${secret}`), () => `told: ${String(error)}`);
  }
}

function checkEniConf(text: string, overlay: Json | undefined): void {
  for (const parse of [
    parseEniConfig,
    (conf: string) => parseNodePoolConfig(conf, typeof overlay === "string" ? overlay : undefined),
  ]) {
    try {
      const { securityGroupIds } = parse(text);
      promise(securityGroupIds.length <= 10, "more security groups than an interface takes");
    } catch (error) {
      checkError(error, "words");
    }
  }
}
