import { describe, expect, it } from "@jest/globals";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import { aCoreNode, aRecord } from "../../test/fixtures/node-capacity-world.ts";
import { planWrites, toAttachable, type Attachable, type Occupancy, type Publication } from "./publication.ts";
import type { Capability } from "./state.ts";

const capability: Capability = {
  mode: "trunk",
  slots: 7,
  memberLimit: 52,
  ipv4PerAdapter: 20,
  secondaryCount: 6,
  trunkCount: 1,
  prefixes: "none",
};
const free: Occupancy = { strangers: 0, pool: 0, foreignMembers: 0, leaving: 0 };
const exclusive = { mode: "exclusive", secondaryCount: 7, trunkCount: 0 } as const;

interface Row {
  readonly name: string;
  readonly given?: Partial<Capability>;
  readonly taken?: Partial<Occupancy>;
  readonly isTrunkReady?: boolean;
  readonly want: Partial<Attachable>;
}

const rows: readonly Row[] = [
  { name: "members once the trunk is there", want: { memberEni: 52, eni: "keep", maxAvailableIp: 140 } },
  { name: "no member without the trunk", isTrunkReady: false, want: { memberEni: 0 } },
  { name: "members less those of others", taken: { foreignMembers: 3 }, want: { memberEni: 49 } },
  { name: "members less those that leave", taken: { leaving: 2 }, want: { memberEni: 50, maxAvailableIp: 140 } },
  { name: "never less than none", taken: { leaving: 60 }, want: { memberEni: 0 } },
  { name: "all members however many interfaces others have", taken: { strangers: 2 }, want: { memberEni: 52 } },
  { name: "addresses of the slots that others left", taken: { strangers: 2 }, want: { maxAvailableIp: 100 } },
  { name: "the pool's own interfaces carry addresses", taken: { pool: 6 }, want: { maxAvailableIp: 140 } },
  { name: "whole interfaces", given: exclusive, want: { memberEni: "keep", eni: 7, maxAvailableIp: 7 } },
  { name: "as many as the flavor says", given: { ...exclusive, secondaryCount: 5 }, want: { eni: 5 } },
  {
    name: "a slot that the flavor leaves free takes a stranger",
    given: { ...exclusive, secondaryCount: 5 },
    taken: { strangers: 2 },
    want: { eni: 5 },
  },
  {
    name: "whole interfaces less strangers",
    given: exclusive,
    taken: { strangers: 2 },
    want: { eni: 5, maxAvailableIp: 5 },
  },
  {
    name: "whole interfaces less the pool's",
    given: exclusive,
    taken: { pool: 1 },
    want: { eni: 6, maxAvailableIp: 6 },
  },
  {
    name: "whole interfaces less what leaves",
    given: exclusive,
    taken: { leaving: 1 },
    want: { eni: 6, maxAvailableIp: 7 },
  },
  {
    name: "no interfaces on a plain node, where somebody else may publish them",
    given: { mode: "plain" },
    want: { memberEni: "keep", eni: "keep", maxAvailableIp: 140 },
  },
  {
    name: "blocks count by the adapters, not the members",
    given: { prefixes: "some" },
    want: { maxAvailableIp: 19 * 16 * 7 },
  },
  { name: "an IPv6 block", given: { prefixes: "ipv6Only" }, want: { maxAvailableIp: 65_536 } },
];

describe("what can be attached now", () => {
  it.each(rows)("$name", ({ given, taken, isTrunkReady = true, want }) => {
    expect(toAttachable({ ...capability, ...given }, { ...free, ...taken }, isTrunkReady)).toMatchObject(want);
  });
});

const publication: Publication = {
  explanation: { isReady: true, reason: "CapacityPublished", message: "" },
  attachable: { memberEni: 52, eni: "keep", maxAvailableIp: 140 },
  trunk: "keep",
};
const time = { nowIso: "2026-01-01T00:00:00Z", mayRaise: true, mayExplain: true };

function carrying(count: string, more: Partial<CoreNode["status"]> = {}): CoreNode {
  const quantities = { "aliyun/member-eni": count };
  return { ...aCoreNode(), status: { capacity: quantities, allocatable: quantities, ...more } };
}

const quantityAfter = (core: CoreNode, memberEni: number, mayRaise: boolean) => {
  const attachable = { memberEni, eni: "keep", maxAvailableIp: 140 } as const;
  const writes = planWrites({ ...publication, attachable }, { record: aRecord(), core }, { ...time, mayRaise });
  const { status } = (writes.status ?? {}) as { readonly status?: CoreNode["status"] };
  return { quantity: status?.allocatable?.["aliyun/member-eni"], raises: writes.raises };
};

describe("what is written", () => {
  it("no member any more on a machine that shall have no trunk, and nothing where there was none", () => {
    const plain: Publication = {
      ...publication,
      attachable: { memberEni: "keep", eni: "keep", maxAvailableIp: 140 },
      trunk: undefined,
    };
    const core = carrying("52");
    const had: CoreNode = {
      ...core,
      metadata: { ...core.metadata, annotations: { "k8s.aliyun.com/trunk-on": "eni-1" } },
    };
    const none = { "aliyun/member-eni": "0" };
    expect(planWrites(plain, { record: aRecord(), core: had }, time)).toMatchObject({
      status: { status: { capacity: none, allocatable: none } },
      metadata: { metadata: { annotations: { "k8s.aliyun.com/trunk-on": null } } },
      raises: false,
    });
    expect(planWrites(plain, { record: aRecord(), core }, time).status).not.toHaveProperty("status.capacity");
  });

  it.each([
    {
      name: "a decrease at once",
      core: carrying("52"),
      to: 40,
      mayRaise: false,
      want: { quantity: "40", raises: false },
    },
    {
      name: "an increase when it may",
      core: carrying("40"),
      to: 52,
      mayRaise: true,
      want: { quantity: "52", raises: true },
    },
    {
      name: "an increase later",
      core: carrying("40"),
      to: 52,
      mayRaise: false,
      want: { quantity: undefined, raises: true },
    },
    { name: "nothing new", core: carrying("52"), to: 52, mayRaise: true, want: { quantity: undefined, raises: false } },
    {
      name: "what a kubelet set to zero",
      core: carrying("0"),
      to: 52,
      mayRaise: true,
      want: { quantity: "52", raises: true },
    },
    {
      name: "two numbers that contradict each other",
      core: carrying("52", { capacity: { "aliyun/member-eni": "0" } }),
      to: 52,
      mayRaise: false,
      want: { quantity: "52", raises: false },
    },
    {
      name: "no zero where nothing was said",
      core: aCoreNode(),
      to: 0,
      mayRaise: true,
      want: { quantity: undefined, raises: false },
    },
  ])("$name", ({ core, to, mayRaise, want }) => {
    expect(quantityAfter(core, to, mayRaise)).toEqual(want);
  });

  it("is nothing at all when the objects say everything already", () => {
    const condition = { type: "InterfacesReady", status: "True", reason: "CapacityPublished", message: "" } as const;
    const record = {
      ...aRecord(),
      status: { conditions: [{ ...condition, lastTransitionTime: "2025-01-01T00:00:00Z" }] },
    };
    const core = carrying("52", { conditions: [{ ...condition, type: "TerwayInterfaces" }] });
    const annotated = {
      ...core,
      metadata: { ...core.metadata, annotations: { "k8s.aliyun.com/max-available-ip": "140" } },
    };
    expect(planWrites(publication, { record, core: annotated }, time)).toEqual({ isNews: false, raises: false });
  });

  it("takes the start-up taint off a node that can serve, and leaves it on one that cannot", () => {
    const kept = { key: "other", effect: "NoSchedule" };
    const taints = [{ key: "network.alibabacloud.com/not-ready", effect: "NoSchedule" }, kept];
    const core = { ...carrying("52"), spec: { ...aCoreNode().spec, taints } };
    const objects = { record: aRecord(), core };
    expect(planWrites(publication, objects, time).taints).toEqual({ spec: { taints: [kept] } });
    const explanation = { isReady: false, reason: "CreatingTrunk", message: "" };
    expect(planWrites({ ...publication, explanation }, objects, time).taints).toBeUndefined();
  });
});
