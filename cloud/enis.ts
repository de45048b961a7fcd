/** The calls that change and list network interfaces, and the translation of their answers. */
import type { Eni, EniStatus, EniType } from "../domain/eni/eni.ts";
import type { TrafficMode } from "../domain/eni/traffic-mode.ts";
import { OperatorError } from "../runtime/errors.ts";
import { isRecord, textOf, type ApiName, type CallParameters } from "./call.ts";
import { malformed, toEni, toEnis } from "./eni-answers.ts";
import type { CallOptions, Invoke } from "./invoke.ts";

/**
 * Every method waits for the quota of its API and @throws the classes of runtime/errors.ts with `cloud: CloudFailure`,
 * FencedError (the four that change something, without the lease) and AbortError.
 */
export interface EniClient {
  /** Idempotent by `clientToken`, repeated up to three times after a lost answer. The new interface is Available. */
  createEni(request: CreateEniRequest, options: CallOptions): Promise<Eni>;
  /** Starts attaching; the end is seen by the observer. Sent once: after an error with outcome `unknown`, look first. */
  attachEni(
    request: {
      readonly eniId: string;
      readonly instanceId: string;
      /** Makes the interface a member of that trunk. */
      readonly trunkEniId?: string | undefined;
      readonly networkCardIndex?: number | undefined;
    },
    options: CallOptions,
  ): Promise<void>;
  /** Starts detaching. An interface or instance that is gone is success. Sent once, as {@link EniClient.attachEni}. */
  detachEni(
    request: { readonly eniId: string; readonly instanceId: string; readonly trunkEniId?: string | undefined },
    options: CallOptions,
  ): Promise<void>;
  /** Starts deleting. An interface that is gone is success. Sent once, as {@link EniClient.attachEni}. */
  deleteEni(request: { readonly eniId: string }, options: CallOptions): Promise<void>;
  /** All pages of 500. The listing may lag behind by seconds. */
  listEnis(filter: EniFilter, options: CallOptions): Promise<readonly Eni[]>;
}

export interface CreateEniRequest {
  /** A trunk carries members. @default "Secondary" */
  readonly type?: "Secondary" | "Trunk" | undefined;
  readonly vSwitchId: string;
  /** At least one. */
  readonly securityGroupIds: readonly string[];
  /** At most 64 ASCII characters; the same token with the same request makes no second interface. */
  readonly clientToken: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The interface vanishes with its instance. */
  readonly deleteOnRelease: boolean;
  /** IPv6 addresses to assign. 0 for none. */
  readonly ipv6Count: number;
  readonly resourceGroupId?: string | undefined;
  /** `HighPerformance` for ERDMA. */
  readonly trafficMode?: TrafficMode | undefined;
}

export interface EniFilter {
  /** All of them must be on the interface. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly type?: EniType | undefined;
  readonly status?: EniStatus | undefined;
  readonly vpcId?: string | undefined;
  readonly instanceId?: string | undefined;
}

const read = { mutates: false, repeats: true } as const;
const once = { mutates: true, repeats: false } as const;
/** The largest page that the API gives. */
const pageSize = 500;
/** 100 000 interfaces; more pages mean that the cloud does not end its listing. */
const pagesAtMost = 200;

const goneInstance = ["InvalidEcsId.NotFound", "InvalidInstanceId.NotFound"];
const goneEni = "InvalidEniId.NotFound";

export function createEniClient(invoke: Invoke, regionId: string): EniClient {
  const sendOnce = async (
    api: ApiName,
    parameters: CallParameters,
    options: CallOptions,
    success: readonly string[],
  ) => {
    try {
      await invoke(api, once, { RegionId: regionId, ...parameters }, options);
    } catch (error) {
      if (!isRefusedWith(error, success)) throw error;
    }
  };
  return {
    createEni: async (request, options) => {
      const parameters = { RegionId: regionId, ...createParameters(request) };
      const answer = await invoke("CreateNetworkInterface", { mutates: true, repeats: true }, parameters, options);
      // The answer need not repeat the tags.
      return { ...toEni(answer, "CreateNetworkInterface"), tags: request.tags };
    },
    attachEni: (request, options) =>
      sendOnce(
        "AttachNetworkInterface",
        { ...place(request), NetworkCardIndex: request.networkCardIndex },
        options,
        [],
      ),
    detachEni: (request, options) =>
      sendOnce("DetachNetworkInterface", place(request), options, [goneEni, ...goneInstance]),
    deleteEni: (request, options) =>
      sendOnce("DeleteNetworkInterface", { NetworkInterfaceId: request.eniId }, options, [goneEni]),
    listEnis: (filter, options) => listEnis(invoke, { RegionId: regionId, ...filterParameters(filter) }, options),
  };
}

async function listEnis(invoke: Invoke, parameters: CallParameters, options: CallOptions): Promise<readonly Eni[]> {
  const enis: Eni[] = [];
  let nextToken: string | undefined;
  for (let page = 0; page < pagesAtMost; page += 1) {
    const query = { ...parameters, MaxResults: pageSize, NextToken: nextToken };
    const answer = await invoke("DescribeNetworkInterfaces", read, query, options);
    enis.push(...toEnis(answer));
    nextToken = isRecord(answer) ? textOf(answer["NextToken"]) : undefined;
    if (nextToken === undefined) return enis;
  }
  throw malformed("DescribeNetworkInterfaces", `more than ${pagesAtMost} pages`);
}

function createParameters(request: CreateEniRequest): CallParameters {
  return {
    VSwitchId: request.vSwitchId,
    SecurityGroupIds: request.securityGroupIds,
    InstanceType: request.type ?? "Secondary",
    NetworkInterfaceTrafficMode: request.trafficMode === "HighPerformance" ? request.trafficMode : undefined,
    ResourceGroupId: request.resourceGroupId,
    // The published program's text: tools of operators look for it.
    Description: "interface create by terway",
    Ipv6AddressCount: request.ipv6Count > 0 ? request.ipv6Count : undefined,
    DeleteOnRelease: request.deleteOnRelease,
    SourceDestCheck: false,
    Tag: toTagList(request.tags),
    ClientToken: request.clientToken,
  };
}

function filterParameters(filter: EniFilter): CallParameters {
  return {
    VpcId: filter.vpcId,
    InstanceId: filter.instanceId,
    Type: filter.type,
    Status: filter.status,
    Tag: filter.tags === undefined ? undefined : toTagList(filter.tags),
  };
}

function place(request: { eniId: string; instanceId: string; trunkEniId?: string | undefined }): CallParameters {
  return {
    NetworkInterfaceId: request.eniId,
    InstanceId: request.instanceId,
    // Sic: the API's name of the parameter that holds the trunk interface's id.
    TrunkNetworkInstanceId: request.trunkEniId,
  };
}

/** Sorted, so that equal requests are equal on the wire: a client token refuses anything else. */
function toTagList(tags: Readonly<Record<string, string>>): readonly { Key: string; Value: string }[] {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([Key, Value]) => ({ Key, Value }));
}

function isRefusedWith(error: unknown, codes: readonly string[]): boolean {
  return error instanceof OperatorError && error.cloud !== undefined && codes.includes(error.cloud.code);
}
