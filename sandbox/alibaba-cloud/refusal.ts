/**
 * A documented refusal of the cloud: the handler that throws it has changed nothing. Codes and HTTP statuses are those of
 * cloud-api §C3, letter by letter (`SecurityGroupInstanceLimitExceed` really has no final "ed").
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** HTTP status. */
  readonly status: number;
  /** Error code of the answer, for instance `InvalidEniId.NotFound`. */
  readonly code: string;
  /** Further fields of the body, for instance `AccessDeniedDetail`. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, message: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.extra = extra;
  }
}

/** A mandatory parameter is absent. Source: §C3, common codes. */
export const missingParameter = (name: string): Refusal =>
  new Refusal(
    400,
    "MissingParameter",
    `The input parameter "${name}" that is mandatory for processing this request is not supplied.`,
  );

/** A parameter has a value outside its documented range. Source: §C3, common codes. */
export const invalidParameter = (name: string, why: string): Refusal =>
  new Refusal(400, "InvalidParameter", `The specified parameter "${name}" is not valid: ${why}.`);

export const eniNotFound = (eniId: string): Refusal =>
  new Refusal(404, "InvalidEniId.NotFound", `The specified EniId "${eniId}" does not exist.`);

export const instanceNotFound = (instanceId: string): Refusal =>
  new Refusal(404, "InvalidEcsId.NotFound", `The specified EcsId "${instanceId}" does not exist.`);

/** The action needs another state of the interface. Source: §C1, §C3. */
export const invalidEniState = (eniId: string, status: string): Refusal =>
  new Refusal(
    400,
    "InvalidOperation.InvalidEniState",
    `The operation is not allowed in the current state ${status} of network interface "${eniId}".`,
  );

/** The text is the published one; clients parse the vSwitch id out of it. Source: §C3. */
export const ipNotEnough = (vSwitchId: string): Refusal =>
  new Refusal(403, "InvalidVSwitchId.IpNotEnough", `The specified VSwitch "${vSwitchId}" has not enough IpAddress.`);

/** Source: published-measured §1: quotas per wall-clock minute; §B4: HTTP 400. */
export const throttled = (): Refusal =>
  new Refusal(400, "Throttling.User", "Request was denied due to user flow control.");

/** A RAM permission is missing. The body has the shape of §B4: `AuthAction` is what the account's owner must grant. */
export const accessDenied = (action: string, accessKeyId: string): Refusal =>
  new Refusal(
    403,
    "Forbidden.RAM",
    "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
    {
      AccessDeniedDetail: {
        AuthAction: action,
        AuthPrincipalType: "SubUser",
        AuthPrincipalDisplayName: accessKeyId,
        AuthPrincipalOwnerId: "1000000000000001",
        NoPermissionType: "ImplicitDeny",
        PolicyType: "AccountLevelIdentityBasedPolicy",
        EncodedDiagnosticMessage: "AQAAAA",
      },
    },
  );
