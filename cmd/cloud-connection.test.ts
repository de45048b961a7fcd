import { describe, expect, it } from "@jest/globals";
import { credentialSources } from "./cloud-connection.ts";
import { parseSources } from "./config.ts";

const rrsaEnvironment = {
  ALIBABA_CLOUD_ROLE_ARN: "acs:ram::1:role/controlplane",
  ALIBABA_CLOUD_OIDC_PROVIDER_ARN: "acs:ram::1:oidc-provider/ack",
  ALIBABA_CLOUD_OIDC_TOKEN_FILE: "/var/run/token",
};
const key = { accessKey: "LTAI-key", accessSecret: "secret" };
const tokenFile = { credentialPath: "/var/addon/token-config" };
const tokenFileName = "token file /var/addon/token-config";
const rrsaName = "RRSA role acs:ram::1:role/controlplane";
const machineName = "instance RAM role";

const cases: readonly {
  readonly name: string;
  readonly credential: object;
  readonly env: Readonly<Record<string, string>>;
  readonly want: readonly string[];
}[] = [
  { name: "an empty file", credential: {}, env: {}, want: [machineName] },
  { name: "a token file", credential: tokenFile, env: {}, want: [tokenFileName, machineName] },
  { name: "the environment of RRSA", credential: {}, env: rrsaEnvironment, want: [rrsaName, machineName] },
  {
    name: "half of the environment of RRSA",
    credential: {},
    env: { ...rrsaEnvironment, ALIBABA_CLOUD_OIDC_TOKEN_FILE: "" },
    want: [machineName],
  },
  {
    name: "a token file and RRSA",
    credential: tokenFile,
    env: rrsaEnvironment,
    want: [tokenFileName, rrsaName, machineName],
  },
  { name: "an access key", credential: key, env: {}, want: ["access key"] },
  { name: "all of them", credential: { ...key, ...tokenFile }, env: rrsaEnvironment, want: ["access key"] },
];

const sourcesOf = (credential: object, env: Readonly<Record<string, string>>) => {
  const loaded = parseSources({
    config: { path: "ctrl-config.yaml", text: "regionID: cn-hangzhou\nclusterID: c-1\nvpcID: vpc-1\n" },
    credential: { path: "ctrl-secret.yaml", text: JSON.stringify(credential) },
    env,
  });
  return credentialSources(loaded.config, loaded.credential);
};

describe("the sources of a credential", () => {
  it.each(cases)("with $name are tried in order", ({ credential, env, want }) => {
    expect(sourcesOf(credential, env).map(({ name }) => name)).toEqual(want);
  });

  it("give the access key as it is configured", async () => {
    const [source] = sourcesOf(key, {});
    expect(await source?.fetch()).toEqual({ credential: { accessKeyId: "LTAI-key", accessKeySecret: "secret" } });
  });
});
