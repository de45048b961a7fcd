import type { Answer } from "./answers.ts";
import type { Product, WireParameters } from "./api.ts";
import { Endpoint, type Outcome } from "./endpoint.ts";
import { FaultEngine, type FaultRule } from "./faults.ts";
import type { SimulatedEni } from "./model.ts";
import {
  type Account,
  type CloudOptions,
  type Credentials,
  defaultLatencies,
  type InstanceSpec,
  type SecurityGroupSpec,
  type VSwitchSpec,
} from "./options.ts";
import { Refusal } from "./refusal.ts";
import { type Report, toReport } from "./report.ts";
import { type Listening, startServer } from "./server.ts";
import { checkSecurityToken, SignatureVerifier } from "./signature.ts";
import { World } from "./world.ts";

/** What the cloud answered, as the HTTP layer would hand it over. */
export interface CloudAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Answer;
}

/** One account's ECS and VPC in one region. */
export interface SimulatedCloud {
  addVpc(vpcId: string): void;
  /** @throws RangeError for a block that no vSwitch can have */
  addVSwitch(spec: VSwitchSpec): void;
  /** Deletes it, whatever is in it: nobody finds it any more, and nothing can be made in it. */
  removeVSwitch(vSwitchId: string): void;
  /** It is there again, with what was in it. */
  restoreVSwitch(vSwitchId: string): void;
  /** Makes exactly so many addresses free now. */
  setFreeAddresses(vSwitchId: string, count: number): void;
  /** Secondary interfaces that the account may have from now on; those that there are stay. */
  setEniQuota(count: number): void;
  /** Client tokens that were first used so long ago, milliseconds, are new again. */
  forgetClientTokens(olderThanMs: number): void;
  addSecurityGroup(spec: SecurityGroupSpec): void;
  /** Makes the machine and its primary interface. @throws RangeError for an unknown type or a vSwitch elsewhere */
  addInstance(spec: InstanceSpec): void;
  /** A ready-made trunk, InUse. @returns its id */
  addTrunk(instanceId: string): string;
  /** Its interfaces with DeleteOnRelease vanish, the others become Available. */
  removeInstance(instanceId: string): void;
  /** Replaces the fault rules; their `between` counts from now. */
  setFaults(rules: readonly FaultRule[]): void;
  /** Replaces the RAM actions that are refused to this key. */
  setMissingActions(accessKeyId: string, ramActions: readonly string[]): void;
  /**
   * One call in process: the same rules, times and faults as over HTTP, without signature and socket. Resolves for every
   * HTTP status. Rejects as the SDK does (cloud-api §B4): SyntaxError for HTML, an Error with code ECONNRESET for a
   * broken connection, an Error named RequestTimeoutError after 20 s of silence; AbortError once the cloud is closed.
   * @param parameters flat wire parameters, for instance `Tag.1.Key`
   */
  call(
    api: { readonly product: Product; readonly action: string },
    parameters: WireParameters,
    credentials: Credentials,
  ): Promise<CloudAnswer>;
  /** Serves HTTP. @param address `port` 0 or absent takes any free one */
  listen(address: { readonly host: string; readonly port?: number }): Promise<Listening>;
  /** Also `GET /_sandbox/report`. */
  report(): Report;
  /** Starts the peaks of the report anew. */
  resetPeaks(): void;
  /** Every interface that exists, in order of creation. */
  enis(): readonly SimulatedEni[];
  /** Calls off everything that is under way, so that nothing keeps the process alive. */
  close(): void;
}

// The time-out that clients of this API use. Source: cloud-api §C1.
const clientTimeoutMs = 20_000;

/** Builds an empty account; fill it with the `add…` methods. */
export function createCloud(options: CloudOptions): SimulatedCloud {
  const { clock, accounts, faults = [], readDelayMs = 0 } = options;
  const world = new World({
    clock,
    random: options.random,
    regionId: options.regionId,
    latencies: { ...defaultLatencies, ...options.latencies },
    eniQuota: options.eniQuota ?? Infinity,
    retainMs: Math.max(readDelayMs, FaultEngine.longestReadDelayMs(faults)),
  });
  const endpoint = new Endpoint({ world, quotas: options.quotas ?? {}, faults, readDelayMs });
  const accountById = new Map(accounts.map((account) => [account.accessKeyId, account]));
  const verifier = new SignatureVerifier(accountById);
  for (const account of accounts) endpoint.setMissingActions(account.accessKeyId, account.missingActions ?? []);
  const report = (): Report => toReport(world, endpoint);

  return {
    addVpc: (vpcId) => void world.vpcs.add(vpcId),
    addVSwitch: (spec) => world.addVSwitch(spec),
    removeVSwitch: (vSwitchId) => void world.removedVSwitches.add(vSwitchId),
    restoreVSwitch: (vSwitchId) => void world.removedVSwitches.delete(vSwitchId),
    setFreeAddresses: (vSwitchId, count) => world.vSwitches.get(vSwitchId)?.ipv4.setFree(count),
    setEniQuota: (count) => void (world.eniQuota = count),
    forgetClientTokens: (olderThanMs) => endpoint.forgetClientTokens(olderThanMs),
    addSecurityGroup: (spec) => world.addSecurityGroup(spec),
    addInstance: (spec) => world.addInstance(spec),
    addTrunk: (instanceId) => world.addTrunk(instanceId),
    removeInstance: (instanceId) => world.removeInstance(instanceId),
    setFaults: (rules) => endpoint.setFaults(rules),
    setMissingActions: (accessKeyId, ramActions) => endpoint.setMissingActions(accessKeyId, ramActions),
    call: async ({ product, action }, parameters, credentials) => {
      const refusal = refusalOf(accountById, credentials, clock.now());
      const { accessKeyId } = credentials;
      const outcome =
        refusal === undefined
          ? await endpoint.perform({ product, action, parameters, accessKeyId })
          : endpoint.refuse(refusal, product);
      return toCloudAnswer(world, outcome);
    },
    listen: ({ host, port = 0 }) => startServer({ endpoint, verifier, clock, report }, { host, port }),
    report,
    resetPeaks: () => endpoint.resetPeaks(),
    enis: () => [...world.enis.allSeen(0)],
    close: () => world.close(),
  };
}

/** What the signature check would refuse, for a caller in process. */
function refusalOf(accounts: ReadonlyMap<string, Account>, given: Credentials, nowMs: number): Refusal | undefined {
  const account = accounts.get(given.accessKeyId);
  if (account === undefined) {
    return new Refusal(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
  }
  if (account.accessKeySecret !== given.accessKeySecret) {
    return new Refusal(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
  }
  try {
    checkSecurityToken(account, given.securityToken, nowMs);
    return undefined;
  } catch (error: unknown) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

async function toCloudAnswer(world: World, outcome: Outcome): Promise<CloudAnswer> {
  switch (outcome.type) {
    case "answer":
      return {
        status: outcome.status,
        headers: { "content-type": "application/json;charset=utf-8" },
        body: outcome.body,
      };
    case "html":
      throw new SyntaxError(`Unexpected token '<', "<html>\r\n<h"... is not valid JSON`);
    case "reset":
      throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    case "silence":
      await world.wait(clientTimeoutMs);
      throw Object.assign(new Error(`ReadTimeout(${clientTimeoutMs})`), { name: "RequestTimeoutError" });
  }
}
