import type { CallFaults } from "./faults.ts";
import type { SimulatedEni } from "./model.ts";
import type { Parameters } from "./parameters.ts";
import { eniNotFound, ipNotEnough, missingParameter, Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

/** What an action gets. It runs at one moment: half-way between request and answer. */
export interface ActionCall {
  readonly world: World;
  readonly parameters: Parameters;
  readonly faults: CallFaults;
  /** Epoch milliseconds at which the request arrived; effects that take time count from here. */
  readonly startedAtMs: number;
  /** Reads lag by this, the cloud's own delay included. */
  readonly readDelayMs: number;
  /** Called when the answer leaves. */
  onAnswered(listener: (answeredAtMs: number) => void): void;
}

/** @returns the body of the answer, without RequestId. @throws Refusal when nothing was done */
export type Action = (call: ActionCall) => Readonly<Record<string, unknown>>;

/** The interface that `NetworkInterfaceId` names. @throws Refusal MissingParameter, InvalidEniId.NotFound */
export function getEni({ world, parameters }: ActionCall): SimulatedEni {
  const eniId = parameters.need("NetworkInterfaceId");
  const eni = world.enis.find(eniId);
  if (eni === undefined) throw eniNotFound(eniId);
  return eni;
}

/** @throws Refusal IpNotEnough while a fault rule says so */
export function refuseExhausted(call: ActionCall, vSwitchId: string): void {
  const exhausted = call.faults.exhaustedVSwitchIds;
  if (exhausted.has("*") || exhausted.has(vSwitchId)) throw ipNotEnough(vSwitchId);
}

/**
 * The security groups `ids`, checked for an interface in `vpcId`.
 * @throws Refusal InvalidSecurityGroupId.NotFound, InvalidOperation.VpcMismatch, SecurityGroupInstanceLimitExceed (§C3)
 */
export function checkSecurityGroups(world: World, ids: readonly string[], vpcId: string, joining?: string): void {
  if (ids.length === 0) throw missingParameter("SecurityGroupId");
  for (const id of ids) {
    const group = world.securityGroups.get(id);
    if (group === undefined) {
      throw new Refusal(
        404,
        "InvalidSecurityGroupId.NotFound",
        `The specified SecurityGroupId "${id}" does not exist.`,
      );
    }
    if (group.spec.vpcId !== vpcId) {
      const message = `The specified security group "${id}" and the VSwitch are not in the same VPC.`;
      throw new Refusal(403, "InvalidOperation.VpcMismatch", message);
    }
    const isMember = joining !== undefined && group.members.has(joining);
    if (!isMember && group.members.size >= (group.spec.maxInterfaces ?? Infinity)) {
      const message = `The maximum number of instances in security group "${id}" is exceeded.`;
      throw new Refusal(403, "SecurityGroupInstanceLimitExceed", message);
    }
  }
}
