/** The official SDK as a {@link CloudCall}: the only file that knows it, and it loads it at the first call. */
import type OpenApi from "@alicloud/openapi-core";
import {
  CallFailed,
  decodeAnswer,
  isRecord,
  productOf,
  textOf,
  type ApiName,
  type CallParameters,
  type CloudCall,
  type Product,
} from "./call.ts";
import type { Credential, CredentialProvider, CredentialSource } from "./credentials.ts";
import { flattenParameters } from "./call.ts";
import { SendGate } from "./send-gate.ts";

export interface SdkOptions {
  readonly regionId: string;
  readonly credentials: CredentialProvider;
  /** `host:port` without scheme. Source: environment `ECS_ENDPOINT`. */
  readonly ecsEndpoint?: string | undefined;
  /** `host:port` without scheme. Source: environment `VPC_ENDPOINT`. */
  readonly vpcEndpoint?: string | undefined;
  /** Without explicit endpoints. @default "vpc". Source: environment `ALICLOUD_ENDPOINT_TYPE`. */
  readonly endpointType?: "public" | "vpc" | undefined;
  /** @default "https". Source: environment `ALICLOUD_CLIENT_SCHEME`. */
  readonly scheme?: "http" | "https" | undefined;
  /** `terway-controlplane/<version>`. */
  readonly userAgent: string;
  /** Milliseconds until a call without answer fails. @default 20_000, as published */
  readonly timeoutMs?: number | undefined;
  /** Sent as a header. Source: environment `X-ACSPROXY-ASCM-CONTEXT`. */
  readonly ascmContext?: string | undefined;
}

type Send = (api: ApiName, version: string, parameters: CallParameters) => Promise<unknown>;

/**
 * Signing and transport are the SDK's. Its own retries are off: repetition belongs where the quota is counted.
 * The call @throws CallFailed whose message has no URL (the SDK's has, with access key id and signature).
 */
export function createSdkCall(options: SdkOptions): CloudCall {
  const senders = new Map<Product, Promise<Send>>();
  const senderOf = (product: Product) => {
    let sender = senders.get(product);
    if (sender === undefined) {
      sender = createSender(product, options);
      senders.set(product, sender);
    }
    return sender;
  };
  return async (api, parameters, _signal, beforeSend = () => undefined) => {
    const served = productOf(api);
    if (served === undefined) {
      throw new CallFailed({
        kind: "notSent",
        code: "UnsupportedParameter",
        message: `${api} is not an API of ECS or VPC`,
      });
    }
    // Before the SDK asks, so that a missing credential is our error and not one that the SDK wraps.
    await options.credentials.get();
    const send = await senderOf(served.product);
    const gate = new SendGate(beforeSend);
    try {
      const body = await gate.guard(() => send(api, served.version, parameters));
      return decodeAnswer({ status: 200, body });
    } catch (error) {
      if (gate.refusal !== undefined) throw gate.refusal;
      const failure = error instanceof CallFailed ? error : toCallFailed(error);
      if (/^Invalid(SecurityToken|AccessKeyId)/.test(failure.code)) options.credentials.invalidate();
      throw failure;
    }
  };
}

async function createSender(product: Product, options: SdkOptions): Promise<Send> {
  const [{ default: core }, { default: tea }, { default: credentials }] = await Promise.all([
    import("@alicloud/openapi-core"),
    import("@darabonba/typescript"),
    import("@alicloud/credentials"),
  ]);
  // The SDK bounds silence on the socket by the connect time-out, so both are the same.
  const timeoutMs = options.timeoutMs ?? 20_000;
  const endpoint = endpointOf(product, options);
  const provider: Readonly<Record<string, unknown>> = {
    getProviderName: () => "terway_controlplane",
    getCredentials: () => options.credentials.get(),
  };
  const config = new core.$OpenApiUtil.Config({
    credential: new credentials.default(null, provider),
    regionId: options.regionId,
    protocol: options.scheme ?? "https",
    userAgent: options.userAgent,
    readTimeout: timeoutMs,
    connectTimeout: timeoutMs,
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  const client: OpenApi.default =
    endpoint === undefined ? await createProductClient(product, config) : new core.default(config);
  const headers = options.ascmContext === undefined ? {} : { "X-ACSPROXY-ASCM-CONTEXT": options.ascmContext };
  return async (action, version, parameters) => {
    const params = new core.$OpenApiUtil.Params({
      action,
      version,
      protocol: "HTTPS",
      pathname: "/",
      method: "POST",
      authType: "AK",
      style: "RPC",
      reqBodyType: "formData",
      bodyType: "json",
    });
    const request = new core.$OpenApiUtil.OpenApiRequest({ query: flattenParameters(parameters), headers });
    const answer: unknown = await client.callApi(params, request, new tea.RuntimeOptions({}));
    return isRecord(answer) ? answer["body"] : undefined;
  };
}

/**
 * The client of one product knows where the product is served in each region. Beside that it adds only wrappers of the
 * core's `callApi`; loading them takes half a second each, so it is done only where that knowledge is needed.
 */
async function createProductClient(product: Product, config: OpenApi.$OpenApiUtil.Config): Promise<OpenApi.default> {
  return product === "ecs"
    ? new (await import("@alicloud/ecs20140526")).default.default(config)
    : new (await import("@alicloud/vpc20160428")).default.default(config);
}

/** Undefined: the SDK's own table decides. Explicit inside a VPC, where that table prefers public endpoints. */
function endpointOf(product: Product, options: SdkOptions): string | undefined {
  const given = product === "ecs" ? options.ecsEndpoint : options.vpcEndpoint;
  if (given !== undefined && given !== "") return given;
  return options.endpointType === "public" ? undefined : `${product}-vpc.${options.regionId}.aliyuncs.com`;
}

const notSentCodes = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];

/** What the SDK throws, told apart by the few marks it has. Raw messages of the transport hold the signed URL: dropped. */
export function toCallFailed(error: unknown): CallFailed {
  if (error instanceof SyntaxError) {
    const message = "the answer is no JSON; a gateway or proxy may have answered";
    return new CallFailed({ kind: "malformed", code: "MalformedAnswer", message });
  }
  const thrown: Readonly<Record<string, unknown>> = isRecord(error) ? error : {};
  const code = textOf(thrown["code"]);
  if (typeof thrown["statusCode"] === "number") return toAnswered(thrown, thrown["statusCode"], code);
  if (thrown["name"] === "RequestTimeoutError") {
    return new CallFailed({ kind: "timeout", code: "Timeout", message: "no answer in time" });
  }
  return toUnanswered(code ?? textOf(thrown["name"]) ?? "unknown");
}

/** `mark`: the code of the transport, or the name of the error. */
function toUnanswered(mark: string): CallFailed {
  if (mark === "InvalidCredentials") {
    return new CallFailed({ kind: "notSent", code: "NoCredential", message: "the SDK got no credential" });
  }
  if (notSentCodes.includes(mark) || /CERT|TLS|SSL/.test(mark)) {
    return new CallFailed({ kind: "notSent", code: "NotSent", message: `no connection to the endpoint (${mark})` });
  }
  return new CallFailed({ kind: "connectionLost", code: "ConnectionLost", message: `the connection broke (${mark})` });
}

function toAnswered(thrown: Readonly<Record<string, unknown>>, status: number, code: string | undefined): CallFailed {
  const body = isRecord(thrown["data"]) ? thrown["data"] : {};
  const detail = thrown["accessDeniedDetail"];
  const retryAfter = thrown["retryAfter"];
  return new CallFailed({
    kind: "answered",
    code: code ?? `Http${status}`,
    // The SDK's message repeats code and request id.
    message: textOf(body["Message"]) ?? "",
    status,
    requestId: textOf(thrown["requestId"]),
    retryAfterMs: typeof retryAfter === "number" ? retryAfter : undefined,
    missingAction: isRecord(detail) ? textOf(detail["AuthAction"]) : undefined,
  });
}

/** The SDK's providers refresh their session themselves; ours only shares their answers. */
const stockCacheMs = 5 * 60_000;

/** Source: the role of the ECS instance, from the metadata service. */
export function ramRoleSource(now: () => number): CredentialSource {
  return stockSource("instance RAM role", now, async () => {
    const { default: credentials } = await import("@alicloud/credentials");
    return credentials.ECSRAMRoleCredentialsProvider.builder().build();
  });
}

export interface RrsaOptions {
  /** Source: environment `ALIBABA_CLOUD_ROLE_ARN`. */
  readonly roleArn: string;
  /** Source: environment `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`. */
  readonly oidcProviderArn: string;
  /** Source: environment `ALIBABA_CLOUD_OIDC_TOKEN_FILE`. */
  readonly oidcTokenFile: string;
  readonly regionId: string;
  /** STS inside the VPC instead of the public one. */
  readonly isVpcEndpoint: boolean;
  readonly now: () => number;
}

/** Source: the service account's token, exchanged for a role (RRSA). */
export function rrsaSource(options: RrsaOptions): CredentialSource {
  return stockSource(`RRSA role ${options.roleArn}`, options.now, async () => {
    const { default: credentials } = await import("@alicloud/credentials");
    return (
      credentials.OIDCRoleArnCredentialsProvider.builder()
        .withRoleArn(options.roleArn)
        .withOIDCProviderArn(options.oidcProviderArn)
        .withOIDCTokenFilePath(options.oidcTokenFile)
        // Without a timestamp, so that the audit log shows one name.
        .withRoleSessionName("terway-controlplane")
        .withDurationSeconds(3600)
        .withStsRegionId(options.regionId)
        .withEnableVpc(options.isVpcEndpoint)
        .build()
    );
  });
}

function stockSource(
  name: string,
  now: () => number,
  build: () => Promise<{ getCredentials(): Promise<Partial<Credential>> }>,
): CredentialSource {
  let provider: ReturnType<typeof build> | undefined;
  return {
    name,
    fetch: async () => {
      provider ??= build();
      const { accessKeyId, accessKeySecret, securityToken } = await (await provider).getCredentials();
      if (accessKeyId === undefined || accessKeySecret === undefined) throw new Error("gave no access key");
      return { credential: { accessKeyId, accessKeySecret, securityToken }, refreshAtMs: now() + stockCacheMs };
    },
  };
}
