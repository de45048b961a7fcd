/** The command line of the published program. */
import { ConfigError } from "./config-reader.ts";
import type { ConfigProblem } from "./config-reader.ts";

export interface Flags {
  /** @default "/etc/config/ctrl-config.yaml" */
  readonly configPath: string;
  /** @default "/etc/credential/ctrl-secret.yaml" */
  readonly credentialPath: string;
  readonly featureGates: FeatureGates;
  /** Log verbosity: 0 to 10. */
  readonly verbosity: number;
  /** Undefined: `KUBECONFIG`, else the pod's service account. */
  readonly kubeconfigPath: string | undefined;
  /** For the log: what is set and has no effect. */
  readonly warnings: readonly string[];
}

/** Gates and their defaults. Source: the published list. None changes what this program does. */
export const defaultFeatureGates = {
  EFLO: true,
  ENIAttributeBasic: false,
  AutoDataPathV2: true,
  KubeProxyReplacement: false,
  WriteCNIConfFirst: false,
};

export type FeatureGates = Readonly<typeof defaultFeatureGates>;

export const defaultConfigPath = "/etc/config/ctrl-config.yaml";
export const defaultCredentialPath = "/etc/credential/ctrl-secret.yaml";

const defaults = {
  config: defaultConfigPath,
  credential: defaultCredentialPath,
  "feature-gates": "",
  v: "0",
  vmodule: "",
  kubeconfig: "",
};

const usage = `flags: ${Object.keys(defaults)
  .map((name) => `--${name}`)
  .join(", ")}`;

/**
 * Flags after the program's name, by the rules of Go's `flag` package: one or two dashes, `-name value` or `-name=value`, `--`
 * ends them, the last of a name wins. `vmodule` is accepted and has no effect.
 * @throws ConfigError naming every flag that is wrong
 */
export function parseFlags(argv: readonly string[]): Flags {
  const problems: ConfigProblem[] = [];
  const values = readWords(argv, problems);
  const of = (name: keyof typeof defaults): string => values.get(name) ?? "";
  const featureGates = parseFeatureGates(of("feature-gates"), problems);
  const verbosity = Number(of("v"));
  if (!Number.isInteger(verbosity)) {
    problems.push({ key: "-v", value: of("v"), problem: "must be a whole number", remedy: "use 0 to 10" });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const kubeconfigPath = of("kubeconfig") === "" ? undefined : of("kubeconfig");
  const warnings = [
    ...idleGates(featureGates),
    ...(of("vmodule") === "" ? [] : ["-vmodule has no effect: use -v 4 for more"]),
  ];
  return {
    configPath: of("config"),
    credentialPath: of("credential"),
    featureGates,
    verbosity,
    kubeconfigPath,
    warnings,
  };
}

/** The gates of the node daemon are none of this program's business, whatever they are set to. */
function idleGates({ EFLO, ENIAttributeBasic }: FeatureGates): readonly string[] {
  return [
    ...(EFLO ? [] : ["feature gate EFLO=false has no effect: Lingjun machines are not served yet"]),
    ...(ENIAttributeBasic
      ? ["feature gate ENIAttributeBasic=true has no effect: interfaces are read together, up to 100 in a call"]
      : []),
  ];
}

function readWords(argv: readonly string[], problems: ConfigProblem[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>(Object.entries(defaults));
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined && word !== "--"; word = rest.shift()) {
    const [, name = "", inline] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (!values.has(name)) {
      // What follows the name may be meant for nobody's eyes.
      const [shown = ""] = word.split("=");
      problems.push({ key: shown, problem: "is no flag of this program", remedy: usage });
      continue;
    }
    const value = inline ?? rest.shift();
    if (value === undefined) problems.push({ key: word, problem: "needs a value", remedy: `write ${word}=VALUE` });
    else values.set(name, value);
  }
  return values;
}

const booleans = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((word) => [word, false] as const),
]);

function parseFeatureGates(text: string, problems: ConfigProblem[]): FeatureGates {
  const gates = { ...defaultFeatureGates };
  const key = "--feature-gates";
  for (const pair of text.split(",").map((part) => part.trim())) {
    if (pair === "") continue;
    const [name = "", word = ""] = pair.split("=").map((part) => part.trim());
    const value = booleans.get(word);
    if (!isGate(name)) {
      problems.push({
        key,
        value: pair,
        problem: "unknown feature gate",
        remedy: `use ${Object.keys(gates).join(", ")}`,
      });
    } else if (value === undefined) {
      problems.push({
        key,
        value: pair,
        problem: "has no boolean value",
        remedy: `write ${name}=true or ${name}=false`,
      });
    } else gates[name] = value;
  }
  return gates;
}

function isGate(name: string): name is keyof FeatureGates {
  return Object.hasOwn(defaultFeatureGates, name);
}
