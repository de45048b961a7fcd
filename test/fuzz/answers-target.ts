/** Answers of the cloud, as no documentation has them, through the adapters: a value of our own, or an error with a category. */
import { CallFailed, decodeAnswer } from "../../cloud/call.ts";
import { createEniClient } from "../../cloud/enis.ts";
import { toEni } from "../../cloud/eni-answers.ts";
import { CachedInstanceTypes } from "../../cloud/instance-types.ts";
import type { Invoke } from "../../cloud/invoke.ts";
import { toOperatorError } from "../../cloud/operator-error.ts";
import { findDeniedActions } from "../../cloud/permissions.ts";
import { toCallFailed } from "../../cloud/sdk.ts";
import { CachedVSwitchPool } from "../../cloud/vswitch-pool.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import { OperatorError } from "../../runtime/errors.ts";
import type { Clock } from "../../runtime/ports.ts";
import type { Draw } from "./draw.ts";
import { checkError } from "./errors.ts";
import { membersOf, numberOf, ofUtf8, promise, textOf, toBytes, type Json, type Target } from "./target.ts";

const codes = [
  "Throttling",
  "Throttling.User",
  "InternalError",
  "InvalidVSwitchId.IpNotEnough",
  "Forbidden.RAM",
  "InvalidEniId.NotFound",
  "InvalidEcsId.NotFound",
  "InvalidAccessKeyId.NotFound",
  "IdempotentFailed",
];

function drawEni(draw: Draw): Json {
  return {
    NetworkInterfaceId: draw.word(["eni-1", "eni-2"]),
    ...draw.some({
      Status: () => draw.word(["Available", "Attaching", "InUse", "Detaching", "Deleting", "Linking"]),
      Type: () => draw.word(["Primary", "Secondary", "Trunk", "Member"]),
      MacAddress: () => "00:16:3e:00:00:01",
      VSwitchId: () => draw.word(["vsw-a"]),
      ZoneId: () => draw.word(["zone-a"]),
      PrivateIpAddress: () => draw.word(["10.0.0.1"]),
      InstanceId: () => draw.word(["i-1"]),
      Ipv6Sets: () => ({ Ipv6Set: draw.list(2, () => ({ Ipv6Address: draw.word(["fd::1"]) })) }),
      SecurityGroupIds: () => ({ SecurityGroupId: draw.list(2, () => draw.word(["sg-1"])) }),
      Tags: () => ({ Tag: draw.list(3, () => ({ TagKey: draw.word(["creator"]), TagValue: draw.oddText() })) }),
      Attachment: () => ({
        DeviceIndex: draw.number(),
        NetworkCardIndex: draw.number(),
        TrunkNetworkInterfaceId: "eni-t",
      }),
      CreationTime: () => draw.time(),
    }),
  };
}

function drawSuccess(draw: Draw, api: string): Json {
  switch (api) {
    case "DescribeNetworkInterfaces":
      return {
        NetworkInterfaceSets: { NetworkInterfaceSet: draw.list(3, () => drawEni(draw)) },
        NextToken: draw.pick(["", "", "more"]),
        TotalCount: draw.number(),
      };
    case "DescribeVSwitches":
      return {
        VSwitches: {
          VSwitch: rows(draw, () => ({
            VSwitchId: draw.word(["vsw-a"]),
            ...draw.some({
              ZoneId: () => "zone-a",
              VpcId: () => "vpc-1",
              CidrBlock: () => "10.0.0.0/24",
              AvailableIpAddressCount: () => draw.number(),
            }),
          })),
        },
        TotalCount: draw.number(),
      };
    case "DescribeInstanceTypes":
      return {
        InstanceTypes: {
          InstanceType: draw.list(3, () => ({
            InstanceTypeId: draw.word(["ecs.g7"]),
            ...draw.some({
              EniQuantity: () => draw.number(),
              EniTrunkSupported: () => draw.chance(0.5),
              NetworkCards: () => ({ NetworkCardInfo: [{ NetworkCardIndex: draw.number() }] }),
            }),
          })),
        },
      };
    default:
      return { RequestId: "R-1", ...membersOf(drawEni(draw)) };
  }
}

function drawFailure(draw: Draw): Json {
  return draw.some(
    {
      Code: () => draw.word(codes),
      Message: () => draw.oddText(),
      RequestId: () => draw.word(["R-1"]),
      AccessDeniedDetail: () => draw.some({ AuthAction: () => draw.word(["ecs:CreateNetworkInterface"]) }),
    },
    0.8,
  );
}

/** A few, or a full page: the cloud may go on for ever. */
function rows(draw: Draw, one: () => Json): Json[] {
  return draw.chance(0.05) ? Array.from({ length: 50 }, one) : draw.list(3, one);
}

const apis = [
  "DescribeNetworkInterfaces",
  "DescribeVSwitches",
  "DescribeInstanceTypes",
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
  "permissions",
  "survey",
] as const;
const gateways = [
  "",
  "<html><body>502 Bad Gateway</body></html>",
  "null",
  "[]",
  "0",
  '"x"',
  "{",
  "[".repeat(5_000),
  `{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
];

export const answers: Target = {
  name: "answers",
  weight: 6,
  draw: (draw) => {
    const api = draw.pick(apis);
    const isSuccess = draw.chance(0.7);
    const body = isSuccess ? drawSuccess(draw, api === "survey" ? "DescribeVSwitches" : api) : drawFailure(draw);
    const text = ofUtf8(JSON.stringify(draw.chance(0.6) ? draw.mutate(body, 4) : body));
    return {
      api,
      status: isSuccess ? draw.pick([200, 200, 204]) : draw.pick([400, 403, 404, 429, 500, 502, 503, 0, 99_999]),
      isSdk: draw.chance(0.5),
      retryAfter: draw.anything(0),
      body: draw.chance(0.02) ? draw.pick(gateways) : draw.chance(0.2) ? draw.mutateText(text) : text,
    };
  },
  check: async (input) => {
    const { api, ...answer } = membersOf(input);
    try {
      await use(textOf(api), answered(answer));
    } catch (error) {
      checkError(error, "category");
      if (error instanceof OperatorError)
        promise(error.reason !== "" && error.message !== "", "an error without words");
    }
  },
};

/** The path from the bytes of an answer: the seam, or what the SDK makes of them; then the error table. No quota, no waiting. */
function answered(answer: Readonly<Record<string, Json>>): Invoke {
  return async (api) => {
    try {
      return await Promise.resolve(decode(answer));
    } catch (error) {
      throw toOperatorError(api, error instanceof CallFailed ? error : toCallFailed(error), 1_000);
    }
  };
}

function decode({ status, isSdk, body, retryAfter }: Readonly<Record<string, Json>>): unknown {
  const parsed = JSON.parse(toBytes(textOf(body)).toString("utf8")) as Json;
  const code = numberOf(status);
  if (isSdk !== true) {
    const headers = typeof retryAfter === "string" ? { "x-acs-retry-after": retryAfter } : {};
    return decodeAnswer({ status: code, headers, body: parsed });
  }
  if (code < 400) return decodeAnswer({ status: code, body: parsed });
  const { Code, Message, RequestId, AccessDeniedDetail } = membersOf(parsed);
  throw Object.assign(new Error(textOf(Message)), {
    name: "ClientError",
    code: Code,
    statusCode: code,
    data: parsed,
    requestId: RequestId,
    accessDeniedDetail: AccessDeniedDetail,
    retryAfter,
  });
}

/** Time passes as soon as somebody waits. */
function impatientClock(): Clock {
  let nowMs = 0;
  const sleep = (ms: number): Promise<void> => {
    nowMs += ms;
    return Promise.resolve();
  };
  return { now: () => nowMs, monotonic: () => nowMs, sleep };
}

const creation = {
  vSwitchId: "vsw-a",
  securityGroupIds: ["sg-1"],
  clientToken: "t",
  tags: {},
  deleteOnRelease: true,
  ipv6Count: 0,
};
const options = { priority: "bind", signal: new AbortController().signal } as const;

async function use(api: string, invoke: Invoke): Promise<void> {
  const enis = createEniClient(invoke, "cn-hangzhou");
  const place = { eniId: "eni-1", instanceId: "i-1" };
  const users: Readonly<Record<string, () => Promise<unknown>>> = {
    DescribeNetworkInterfaces: async () => (await enis.listEnis({}, options)).forEach(checkEni),
    CreateNetworkInterface: async () => checkEni(await enis.createEni(creation, options)),
    AttachNetworkInterface: () => enis.attachEni(place, options),
    DetachNetworkInterface: () => enis.detachEni(place, options),
    DeleteNetworkInterface: () => enis.deleteEni(place, options),
    DescribeInstanceTypes: () => useInstanceTypes(invoke),
    DescribeVSwitches: () => useVSwitches(invoke),
    survey: () => aPool(invoke).survey(["vsw-a", "vsw-b"], options.signal),
    permissions: () => findDeniedActions(invoke, "cn-hangzhou", options.signal),
  };
  await users[api]?.();
}

function checkEni(eni: Eni): void {
  promise(eni.eniId !== "", "an interface without id");
  const texts = [
    eni.eniId,
    eni.status,
    eni.type,
    eni.macAddress,
    eni.vSwitchId,
    eni.zoneId,
    eni.primaryIpv4,
    ...eni.ipv6s,
    ...eni.securityGroupIds,
    ...Object.values(eni.tags),
  ];
  promise(
    texts.every((text) => typeof text === "string"),
    "a member that is no text",
  );
  promise(
    JSON.stringify(toEni({ NetworkInterfaceId: eni.eniId }, "DescribeNetworkInterfaces").ipv6s) === "[]",
    "a list from nothing",
  );
}

async function useInstanceTypes(invoke: Invoke): Promise<void> {
  const types = new CachedInstanceTypes({ invoke, clock: impatientClock() });
  const read = await types.get("ecs.g7", options.signal);
  if ("error" in read) return;
  const { networkCardIndexes, eniQuantity, eniTotalQuantity, bandwidthRx } = read;
  promise(
    [eniQuantity, eniTotalQuantity, bandwidthRx, ...networkCardIndexes].every((count) => typeof count === "number"),
    "a count that is no number",
  );
}

async function useVSwitches(invoke: Invoke): Promise<void> {
  const read = await aPool(invoke).get(["vsw-a", "vsw-b"], options.signal);
  promise(read.length === 2, "not one result for each id");
  promise(
    read.every((each) => "error" in each || typeof each.freeIpv4Count === "number"),
    "free addresses are no number",
  );
}

function aPool(invoke: Invoke): CachedVSwitchPool {
  return new CachedVSwitchPool({ invoke, clock: impatientClock(), regionId: "cn-hangzhou", vpcId: "vpc-1" });
}
