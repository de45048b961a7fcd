/**
 * The seam between this program and the cloud: one function from an API name and its parameters to the decoded answer.
 * In production it is the official SDK (sdk.ts); in the simulation it is the simulated cloud's own handler.
 */

/**
 * Per-minute quota of one account in one region that the published program assumes, per API. Its keys are all API names
 * that exist here, so a misspelt name does not compile. Source: the published limiter's table.
 */
export const defaultCallsPerMinute = {
  AttachNetworkInterface: 500,
  CreateNetworkInterface: 500,
  DeleteNetworkInterface: 500,
  DescribeNetworkInterfaces: 800,
  DescribeNetworkInterfaceAttribute: 2000,
  DetachNetworkInterface: 400,
  AssignPrivateIpAddresses: 400,
  UnassignPrivateIpAddresses: 400,
  AssignIpv6Addresses: 400,
  UnassignIpv6Addresses: 400,
  ModifyNetworkInterfaceAttribute: 500,
  TagResources: 500,
  DescribeInstances: 500,
  DescribeInstanceTypes: 400,
  DescribeVSwitches: 300,
  AssignLeniPrivateIpAddress: 300,
  UnassignLeniPrivateIpAddress: 500,
  ListLeniPrivateIpAddresses: 500,
  AttachElasticNetworkInterface: 300,
  DetachElasticNetworkInterface: 300,
  ListElasticNetworkInterfaces: 6000,
  CreateElasticNetworkInterface: 1200,
  DeleteElasticNetworkInterface: 1200,
  CreateHighDensityElasticNetworkInterface: 900,
  AttachHighDensityElasticNetworkInterface: 300,
  DetachHighDensityElasticNetworkInterface: 300,
  DeleteHighDensityElasticNetworkInterface: 300,
  ListHighDensityElasticNetworkInterfaces: 6000,
  GetNodeInfoForPod: 6000,
} as const;

export type ApiName = keyof typeof defaultCallsPerMinute;

/** Every API name, in the order of the quota table. */
export const apiNames: readonly ApiName[] = Object.keys(defaultCallsPerMinute).filter(isApiName);

/** True for an API that changes nothing. */
export function isRead(api: ApiName): boolean {
  return /^(Describe|List|Get)/.test(api);
}

/** True for a name that configuration `rateLimit` may use. */
export function isApiName(name: string): name is ApiName {
  return Object.hasOwn(defaultCallsPerMinute, name);
}

/**
 * Sends one call. `parameters` are in the wire's spelling (`VSwitchId`, `Tag: [{ Key, Value }]`); the answer is the
 * decoded JSON in the wire's spelling. One try, no waiting. @throws CallFailed for everything but success.
 * The signal is advisory: a call that is on its way may finish anyway. `beforeSend` is called right before the request
 * leaves; what it throws refuses the call and is what the call rejects with.
 */
export type CloudCall = (
  api: ApiName,
  parameters: CallParameters,
  signal: AbortSignal,
  beforeSend?: () => void,
) => Promise<unknown>;

export type CallParameters = Readonly<Record<string, ParameterValue | undefined>>;
export type ParameterValue =
  string | number | boolean | readonly ParameterValue[] | { readonly [key: string]: ParameterValue };

/** Why there is no answer to work with. */
export type CallFailureKind =
  /** The cloud answered with an error body. */
  | "answered"
  /** Nothing was sent: no connection, no name, no credential. */
  | "notSent"
  /** Sent, then the connection broke. */
  | "connectionLost"
  /** Sent, no answer in time. */
  | "timeout"
  /** An answer that is no JSON: HTML from a gateway, or empty. */
  | "malformed";

/** What {@link CloudCall} rejects with. Its message never contains a URL, a signature or a credential. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
  readonly kind: CallFailureKind;
  /** `Code` of the answer, or ours (`Timeout`, `ConnectionLost`, `MalformedAnswer`, `NotSent`, `NoCredential`). */
  readonly code: string;
  /** HTTP status; absent when there was no answer. */
  readonly status: number | undefined;
  readonly requestId: string | undefined;
  /** Milliseconds, from the header `x-acs-retry-after`. */
  readonly retryAfterMs: number | undefined;
  /** RAM action that is missing. Source: `AccessDeniedDetail.AuthAction` of the answer. */
  readonly missingAction: string | undefined;

  constructor(failure: {
    readonly kind: CallFailureKind;
    readonly code: string;
    readonly message: string;
    readonly status?: number | undefined;
    readonly requestId?: string | undefined;
    readonly retryAfterMs?: number | undefined;
    readonly missingAction?: string | undefined;
  }) {
    super(failure.message);
    this.kind = failure.kind;
    this.code = failure.code;
    this.status = failure.status;
    this.requestId = failure.requestId;
    this.retryAfterMs = failure.retryAfterMs;
    this.missingAction = failure.missingAction;
  }
}

/** What of the cloud has an endpoint of its own; it fails and recovers by itself. */
export type Product = "ecs" | "vpc";

/** The product that serves an API, and the version of its interface. Undefined: not served by ECS or VPC. */
export function productOf(api: ApiName): { readonly product: Product; readonly version: string } | undefined {
  if (api === "DescribeVSwitches") return { product: "vpc", version: "2016-04-28" };
  if (/Leni|Elastic|GetNodeInfo/.test(api)) return undefined;
  return { product: "ecs", version: "2014-05-26" };
}

/**
 * Parameters as they travel: `{ Tag: [{ Key: "a" }] }` becomes `{ "Tag.1.Key": "a" }`, booleans and numbers become text,
 * undefined is dropped. Source: RPC style of the OpenAPI.
 */
export function flattenParameters(parameters: CallParameters): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) flatten(key, value, flat);
  return flat;
}

function flatten(path: string, value: ParameterValue, into: Record<string, string>): void {
  if (typeof value !== "object") {
    into[path] = String(value);
    return;
  }
  // Lists count from 1 on the wire.
  const entries = Array.isArray(value)
    ? value.map((item: ParameterValue, index): [string, ParameterValue] => [String(index + 1), item])
    : Object.entries(value);
  for (const [key, item] of entries) flatten(`${path}.${key}`, item, into);
}

/** An HTTP answer as the seam's result: the body of a success. @throws CallFailed for any other status or body. */
export function decodeAnswer(answer: {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}): unknown {
  if (!isRecord(answer.body)) {
    throw new CallFailed({
      kind: "malformed",
      code: "MalformedAnswer",
      status: answer.status,
      message: `the answer is no JSON object (HTTP ${answer.status})`,
    });
  }
  if (answer.status < 400) return answer.body;
  const detail = answer.body["AccessDeniedDetail"];
  const retryAfter = Number(answer.headers?.["x-acs-retry-after"] ?? "");
  throw new CallFailed({
    kind: "answered",
    code: textOf(answer.body["Code"]) ?? `Http${answer.status}`,
    message: textOf(answer.body["Message"]) ?? "",
    status: answer.status,
    requestId: textOf(answer.body["RequestId"]),
    retryAfterMs: retryAfter > 0 ? retryAfter : undefined,
    missingAction: isRecord(detail) ? textOf(detail["AuthAction"]) : undefined,
  });
}

/** True for a JSON object. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value when it is text that says something. */
export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
