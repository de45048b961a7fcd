/** The one table from what the cloud refuses to what this program makes of it. docs/errors.md is generated from it. */
import type { CloudFailure, ErrorCategory } from "../runtime/errors.ts";

/** One row: a code, or a family of codes, and its meaning. */
export interface ErrorRow {
  /** A code, a family by beginning (`Throttling*`) or by end (`*.NotFound`). An exact code wins; then the first family. */
  readonly match: string;
  readonly category: Exclude<ErrorCategory, "conflict">;
  /** CamelCase: reason of conditions and events. */
  readonly reason: string;
  /** `byStatus`: refused below HTTP 500, unknown from 500 on. */
  readonly outcome: CloudFailure["outcome"] | "byStatus";
  /** What a person does about it. */
  readonly remedy: string;
}

type Row = Omit<ErrorRow, "outcome"> & Partial<Pick<ErrorRow, "outcome">>;

const again = "None: repeated by itself.";
const look = "None: the interface's state is read again and decides.";
const policy = "Grant the RAM action that the message names to the credential of the control plane.";
const key = "Check the access key in the credential file, or the role that is assumed.";
const clockSkew = "Synchronise the clock of the machine (NTP).";
const group = "Correct the security groups of the PodNetworking or eni-config.";
const vSwitch = "Correct the vSwitches of the PodNetworking or eni-config.";
const addresses = "Add a vSwitch of that zone to the PodNetworking, or free addresses.";
const program = "Report it: the program sent what the API does not accept.";

const rows: readonly Row[] = [
  // Rate
  {
    match: "Throttling*",
    category: "throttled",
    reason: "Throttled",
    outcome: "refused",
    remedy: "None; raise the quota of the API if it lasts.",
  },
  // No more of it
  { match: "InvalidVSwitchId.IpNotEnough", category: "capacity", reason: "VSwitchExhausted", remedy: addresses },
  { match: "QuotaExceeded.PrivateIpAddress", category: "capacity", reason: "VSwitchExhausted", remedy: addresses },
  {
    match: "EniPerInstanceLimitExceeded",
    category: "capacity",
    reason: "InstanceInterfaceLimit",
    remedy: "Use a larger instance type, or fewer pods with interfaces on the node.",
  },
  {
    match: "InvalidOperation.Ipv4CountExceeded",
    category: "capacity",
    reason: "InstanceAddressLimit",
    remedy: "Use a larger instance type.",
  },
  {
    match: "InvalidOperation.Ipv6CountExceeded",
    category: "capacity",
    reason: "InstanceAddressLimit",
    remedy: "Use a larger instance type.",
  },
  {
    match: "MaxEniCountExceeded",
    category: "capacity",
    reason: "AccountInterfaceLimit",
    remedy: "Raise the account's quota of elastic network interfaces.",
  },
  {
    match: "SecurityGroupInstanceLimitExceed",
    category: "capacity",
    reason: "SecurityGroupFull",
    remedy: "Use another security group, or an advanced one.",
  },
  {
    match: "QuotaExceeded*",
    category: "capacity",
    reason: "QuotaExceeded",
    remedy: "Raise the quota that the message names.",
  },
  // Someone else must finish first
  { match: "InvalidOperation.InvalidEniState", category: "waiting", reason: "InterfaceStateChanged", remedy: look },
  {
    match: "InvalidOperation.InvalidEcsState",
    category: "waiting",
    reason: "InstanceNotReady",
    remedy: "The instance must be Running or Stopped.",
  },
  {
    match: "IncorrectInstanceStatus*",
    category: "waiting",
    reason: "InstanceNotReady",
    remedy: "The instance must be Running or Stopped.",
  },
  {
    match: "InvalidOperation.InvalidTrunkEniStatus",
    category: "waiting",
    reason: "TrunkNotReady",
    remedy: "The trunk interface must be attached.",
  },
  {
    match: "InvalidOperation.HasMemberEniAttached",
    category: "waiting",
    reason: "TrunkHasMembers",
    remedy: "Members of the trunk must be detached first.",
  },
  { match: "Operation.Conflict", category: "waiting", reason: "OperationInProgress", remedy: again },
  { match: "OperationConflict*", category: "waiting", reason: "OperationInProgress", remedy: again },
  { match: "TaskConflict", category: "waiting", reason: "OperationInProgress", remedy: again },
  { match: "IncorrectVSwitchStatus", category: "waiting", reason: "VSwitchNotReady", remedy: again },
  // Gone. The releasing calls make success of these.
  { match: "InvalidEniId.NotFound", category: "transient", reason: "InterfaceNotFound", remedy: look },
  {
    match: "InvalidEcsId.NotFound",
    category: "terminal",
    reason: "InstanceNotFound",
    remedy: "The node's instance no longer exists; remove the node.",
  },
  {
    match: "InvalidInstanceId.NotFound",
    category: "terminal",
    reason: "InstanceNotFound",
    remedy: "The node's instance no longer exists; remove the node.",
  },
  { match: "InvalidVSwitchId.NotFound", category: "terminal", reason: "VSwitchNotFound", remedy: vSwitch },
  { match: "InvalidVswitchID.NotFound", category: "terminal", reason: "VSwitchNotFound", remedy: vSwitch },
  { match: "InvalidSecurityGroupId.NotFound", category: "terminal", reason: "SecurityGroupNotFound", remedy: group },
  {
    match: "InvalidResourceGroup.NotFound",
    category: "terminal",
    reason: "ResourceGroupNotFound",
    remedy: "Correct the resource group in the configuration.",
  },
  // Needs a person
  { match: "Forbidden*", category: "terminal", reason: "AccessDenied", remedy: policy },
  { match: "NoPermission*", category: "terminal", reason: "AccessDenied", remedy: policy },
  { match: "InvalidUserType.NotSupported", category: "terminal", reason: "AccessDenied", remedy: policy },
  { match: "Abs.InvalidAccount.NotFound", category: "terminal", reason: "InvalidCredential", remedy: key },
  { match: "InvalidAccessKeyId*", category: "terminal", reason: "InvalidCredential", remedy: key },
  { match: "InvalidAccessKeySecret", category: "terminal", reason: "InvalidCredential", remedy: key },
  { match: "SignatureDoesNotMatch", category: "terminal", reason: "InvalidCredential", remedy: key },
  { match: "IncompleteSignature", category: "terminal", reason: "InvalidCredential", remedy: key },
  {
    match: "InvalidSecurityToken.Expired",
    category: "transient",
    reason: "CredentialExpired",
    remedy: "None: the credential is fetched again.",
  },
  { match: "InvalidSecurityToken*", category: "terminal", reason: "InvalidCredential", remedy: key },
  { match: "InvalidTimeStamp*", category: "terminal", reason: "ClockSkew", remedy: clockSkew },
  { match: "SignatureNonceUsed", category: "transient", reason: "RequestRepeated", remedy: again },
  { match: "InvalidSecurityGroupId.NotVpc", category: "terminal", reason: "SecurityGroupMismatch", remedy: group },
  { match: "InvalidSecurityGroupId*", category: "terminal", reason: "InvalidSecurityGroup", remedy: group },
  {
    match: "InvalidOperation.VpcMismatch",
    category: "terminal",
    reason: "VpcMismatch",
    remedy: "vSwitch, security group and instance must be of one VPC.",
  },
  {
    match: "InvalidOperation.AvailabilityZoneMismatch",
    category: "terminal",
    reason: "ZoneMismatch",
    remedy: "The interface's vSwitch and the instance must be of one zone.",
  },
  {
    match: "InvalidOperation.Ipv6NotSupport",
    category: "terminal",
    reason: "Ipv6NotSupported",
    remedy: "The vSwitch needs an IPv6 block and the instance type IPv6.",
  },
  { match: "InvalidVSwitchId.IpInvalid", category: "terminal", reason: "InvalidAddress", remedy: vSwitch },
  { match: "InvalidVSwitchId*", category: "terminal", reason: "InvalidVSwitch", remedy: vSwitch },
  {
    match: "InvalidIp.IpAssigned",
    category: "terminal",
    reason: "AddressInUse",
    remedy: "Another interface holds the address.",
  },
  {
    match: "InvalidOperation.InvalidEniType",
    category: "terminal",
    reason: "InterfaceTypeUnsupported",
    remedy: "The interface cannot be attached in this way.",
  },
  {
    match: "InvalidOperation.InvalidGeneration",
    category: "terminal",
    reason: "InstanceTypeUnsupported",
    remedy: "Use a newer instance type.",
  },
  {
    match: "InvalidOperation.TrunkingIsNotAllowed",
    category: "terminal",
    reason: "TrunkNotSupported",
    remedy: "Have trunk interfaces enabled for the account, or use an instance type with them.",
  },
  {
    match: "InvalidOperation.InstanceTypeNotSupportEniTrunking",
    category: "terminal",
    reason: "TrunkNotSupported",
    remedy: "Use an instance type with trunk interfaces.",
  },
  {
    match: "InvalidOperation.EniTypeNotSupportTrunking",
    category: "terminal",
    reason: "TrunkNotSupported",
    remedy: "Only secondary interfaces become members of a trunk.",
  },
  {
    match: "InvalidOperation.EniHotPlugNotSupported",
    category: "terminal",
    reason: "HotPlugUnsupported",
    remedy: "Stop the instance to detach the interface.",
  },
  {
    match: "InvalidOperation.HotPlugNotSupport",
    category: "terminal",
    reason: "HotPlugUnsupported",
    remedy: "Stop the instance to detach the interface.",
  },
  {
    match: "InvalidOperation.DetachPrimaryEniNotAllowed",
    category: "terminal",
    reason: "PrimaryInterface",
    remedy: "The primary interface of an instance stays.",
  },
  {
    match: "InvalidOperation.EniServiceManaged",
    category: "terminal",
    reason: "InterfaceManagedByService",
    remedy: "Another cloud service owns the interface.",
  },
  {
    match: "InvalidOperation.EniLinked",
    category: "terminal",
    reason: "InterfaceLinked",
    remedy: "Unlink the interface first.",
  },
  { match: "InvalidParameter.EniNotBelongEcs", category: "waiting", reason: "InterfaceStateChanged", remedy: look },
  { match: "InvalidParameter.EniNotBelongTrunk", category: "waiting", reason: "InterfaceStateChanged", remedy: look },
  // Ours
  {
    match: "IdempotentFailed",
    category: "transient",
    reason: "ClientTokenFailed",
    outcome: "unknown",
    remedy: "None: listed by its tags before the next attempt.",
  },
  { match: "IdempotentParameterMismatch", category: "invariant", reason: "ClientTokenMismatch", remedy: program },
  { match: "MissingParameter*", category: "invariant", reason: "InvalidCall", remedy: program },
  {
    match: "InvalidParameter*",
    category: "terminal",
    reason: "InvalidParameter",
    remedy: "Correct the value that the message names.",
  },
  {
    match: "UnsupportedParameter*",
    category: "terminal",
    reason: "InvalidParameter",
    remedy: "Correct the value that the message names.",
  },
  {
    match: "InvalidAction.NotFound",
    category: "terminal",
    reason: "ApiNotFound",
    remedy: "Check the endpoint and the region.",
  },
  {
    match: "*.NotFound",
    category: "terminal",
    reason: "ResourceNotFound",
    remedy: "The message names what does not exist.",
  },
  // The cloud failed
  { match: "InternalError*", category: "transient", reason: "CloudInternalError", outcome: "unknown", remedy: again },
  {
    match: "ServiceUnavailable*",
    category: "transient",
    reason: "CloudUnavailable",
    outcome: "unknown",
    remedy: again,
  },
  // No answer
  {
    match: "Timeout",
    category: "transient",
    reason: "CloudUnreachable",
    outcome: "unknown",
    remedy: "Check the network between the control plane and the endpoint.",
  },
  {
    match: "ConnectionLost",
    category: "transient",
    reason: "CloudUnreachable",
    outcome: "unknown",
    remedy: "Check the network between the control plane and the endpoint.",
  },
  {
    match: "MalformedAnswer",
    category: "transient",
    reason: "MalformedAnswer",
    outcome: "unknown",
    remedy: "Check what answers at the endpoint: a gateway or proxy sent no JSON.",
  },
  {
    match: "NotSent",
    category: "transient",
    reason: "CloudUnreachable",
    outcome: "refused",
    remedy: "Check the endpoint, DNS and the network.",
  },
  {
    match: "NoCredential",
    category: "transient",
    reason: "NoCredential",
    outcome: "refused",
    remedy: "Give an access key, a token file, RRSA or an instance role; see docs/configuration.md.",
  },
];

/** All rows, in order of precedence within exact codes and within families. */
export const errorRows: readonly ErrorRow[] = rows.map((row) => ({ outcome: "byStatus", ...row }));

/** What a code without a row is. */
export const unknownRow: ErrorRow = {
  match: "",
  category: "transient",
  reason: "UnknownCloudError",
  outcome: "byStatus",
  remedy: "Report the code: it is counted in cloud_unknown_error_codes_total.",
};

const exact = new Map(errorRows.filter((row) => !row.match.includes("*")).map((row) => [row.match, row]));
const families = errorRows.filter((row) => row.match.includes("*"));

/** The row of a code; undefined for a code that the table does not know. */
export function findErrorRow(code: string): ErrorRow | undefined {
  return exact.get(code) ?? families.find((row) => matchesFamily(row.match, code));
}

function matchesFamily(family: string, code: string): boolean {
  return family.startsWith("*") ? code.endsWith(family.slice(1)) : code.startsWith(family.slice(0, -1));
}
