/** How the processes of this program reach the cloud: which credential, which endpoint, which region. */
import type { CloudCall } from "../cloud/call.ts";
import { createCredentialProvider, staticSource, type CredentialSource } from "../cloud/credentials.ts";
import { createSdkCall, ramRoleSource, rrsaSource } from "../cloud/sdk.ts";
import { tokenFileSource } from "../cloud/token-file.ts";
import { systemClock } from "../runtime/clock.ts";
import type { Logger } from "../runtime/ports.ts";
import { ConfigError, type ControlplaneConfig, type CredentialConfig } from "./config.ts";

/** The official SDK with the credential chain of the published program: key, token file, RRSA, instance role. */
export function connectCloud(options: {
  /** `regionId` is filled: see {@link regionOf}. */
  readonly config: ControlplaneConfig;
  readonly credential: CredentialConfig;
  readonly log: Logger;
  readonly userAgent: string;
}): CloudCall {
  const { config, credential, log, userAgent } = options;
  const { environment, regionId } = config;
  const sources = credentialSources(config, credential);
  return createSdkCall({
    regionId,
    credentials: createCredentialProvider({ sources, clock: systemClock, logger: log }),
    ecsEndpoint: environment.ecsEndpoint,
    vpcEndpoint: environment.vpcEndpoint,
    endpointType: environment.endpointType,
    scheme: environment.scheme === "HTTP" ? "http" : "https",
    ascmContext: environment.ascmContext,
    userAgent,
  });
}

/**
 * Where a credential is looked for, in this order: the access key, which is always there when it is set, so nothing comes after
 * it; the token file; RRSA, when the environment has all of it; the role of the instance.
 */
export function credentialSources(
  { environment, regionId }: Pick<ControlplaneConfig, "environment" | "regionId">,
  { accessKey, accessSecret, credentialPath }: CredentialConfig,
): readonly CredentialSource[] {
  if (accessKey !== "") return [staticSource({ accessKeyId: accessKey, accessKeySecret: accessSecret })];
  const { rrsa, endpointType } = environment;
  const isVpcEndpoint = endpointType === "vpc";
  const now = (): number => systemClock.now();
  return [
    ...(credentialPath === "" ? [] : [tokenFileSource(credentialPath, systemClock)]),
    ...(rrsa === undefined ? [] : [rrsaSource({ ...rrsa, regionId, isVpcEndpoint, now })]),
    ramRoleSource(now),
  ];
}

/** Source of the address: ECS documentation, instance metadata. */
const metadataRegionUrl = "http://100.100.100.200/latest/meta-data/region-id";

/** The configured region, or the one of the instance that this runs on. @throws ConfigError when there is neither */
export async function regionOf({ regionId }: ControlplaneConfig): Promise<string> {
  if (regionId !== "") return regionId;
  try {
    const answer = await fetch(metadataRegionUrl, { signal: AbortSignal.timeout(5_000) });
    const text = (await answer.text()).trim();
    if (answer.ok && text !== "") return text;
  } catch {
    // Not on an ECS instance, or its metadata service is off: the error below says what to do.
  }
  throw new ConfigError([
    {
      key: "regionID",
      problem: "is not set, and the ECS metadata service does not say it",
      remedy: "set it to the region of the cluster: `regionID: cn-hangzhou`",
    },
  ]);
}
