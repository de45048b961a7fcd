import { describe, expect, it } from "@jest/globals";
import { selectVSwitch } from "./select.ts";
import type { VSwitchSelection } from "./select.ts";
import type { UnreadVSwitch, VSwitch } from "./vswitch.ts";

function aVSwitch(vSwitchId: string, given: Partial<VSwitch> = {}): [string, VSwitch] {
  const defaults = {
    zoneId: "zone-a",
    vpcId: "vpc",
    ipv4Cidr: "10.0.0.0/24",
    ipv6Cidr: "",
    freeIpv4Count: 5,
    isExhausted: false,
  };
  return [vSwitchId, { vSwitchId, ...defaults, ...given }];
}

function anUnread(vSwitchId: string): [string, UnreadVSwitch] {
  const error = { reason: "AccessDenied", message: "vpc:DescribeVSwitches is not allowed" };
  return [vSwitchId, { vSwitchId, error }];
}

function select(vSwitches: [string, VSwitch | UnreadVSwitch][], given: Partial<VSwitchSelection> = {}) {
  return selectVSwitch({
    vSwitchIds: vSwitches.map(([id]) => id),
    vSwitches: new Map(vSwitches),
    zone: "zone-a",
    policy: "ordered",
    pick: () => 0,
    ...given,
  });
}

describe("selectVSwitch", () => {
  const three = [
    aVSwitch("a", { freeIpv4Count: 1 }),
    aVSwitch("b", { freeIpv4Count: 9 }),
    aVSwitch("c", { freeIpv4Count: 9 }),
  ];

  it.each([
    { name: "ordered takes the first", given: {}, want: "a" },
    { name: "most takes the fullest, the earlier of equals", given: { policy: "most" as const }, want: "b" },
    {
      name: "random takes the picked one",
      given: { policy: "random" as const, pick: (n: number) => n - 1 },
      want: "c",
    },
    { name: "the user's order counts, not the map's", given: { vSwitchIds: ["c", "a"] }, want: "c" },
    { name: "one that is listed and not found is passed over", given: { vSwitchIds: ["gone", "b"] }, want: "b" },
  ])("$name", ({ given, want }) => {
    expect(select(three, given).vSwitch?.vSwitchId).toBe(want);
  });

  it.each(["ordered", "random", "most"] as const)("leaves the user's list as it is: policy %s", (policy) => {
    const vSwitchIds = ["c", "a", "b"];
    select(three, { vSwitchIds, policy, pick: (n) => n - 1 });
    expect(vSwitchIds).toEqual(["c", "a", "b"]);
  });

  it("passes over full ones, those of other zones, and those without IPv6 when it is needed", () => {
    const list = [
      aVSwitch("marked", { isExhausted: true }),
      aVSwitch("empty", { freeIpv4Count: 0 }),
      aVSwitch("far", { zoneId: "zone-b" }),
      aVSwitch("v4"),
      aVSwitch("v6", { ipv6Cidr: "2001:db8::/64" }),
    ];
    expect(select(list).vSwitch?.vSwitchId).toBe("v4");
    expect(select(list, { needsIpv6: true }).vSwitch?.vSwitchId).toBe("v6");
  });

  it.each([
    {
      name: "full is reported before all else, because it heals by itself",
      list: [aVSwitch("full", { freeIpv4Count: 0 }), aVSwitch("far", { zoneId: "zone-b" })],
      given: { vSwitchIds: ["full", "far", "gone"] },
      reason: "VSwitchesExhausted",
      message:
        "no available vSwitch for zone zone-a: full has no free address, far is in zone zone-b, gone was not found",
    },
    {
      name: "another zone",
      list: [aVSwitch("far", { zoneId: "zone-b" })],
      given: {},
      reason: "NoVSwitchInZone",
      message: "far is in zone zone-b",
    },
    {
      name: "nothing found",
      list: [],
      given: { vSwitchIds: ["gone"] },
      reason: "VSwitchNotFound",
      message: "gone was not found",
    },
    { name: "nothing configured", list: [], given: {}, reason: "NoVSwitchInZone", message: "no vSwitch is configured" },
    {
      name: "unread: why, for it may be in the zone",
      list: [anUnread("locked"), aVSwitch("far", { zoneId: "zone-b" })],
      given: { vSwitchIds: ["far", "locked", "gone"] },
      reason: "AccessDenied",
      message:
        "far is in zone zone-b, locked could not be read: vpc:DescribeVSwitches is not allowed, gone was not found",
    },
    {
      name: "no IPv6",
      list: [aVSwitch("a")],
      given: { needsIpv6: true },
      reason: "VSwitchWithoutIPv6",
      message: "a has no IPv6 block",
    },
    {
      name: "IPv6, but no IPv4 address for the interface's own",
      list: [aVSwitch("a", { ipv6Cidr: "2001:db8::/64", freeIpv4Count: 0 })],
      given: { needsIpv6: true },
      reason: "VSwitchesExhausted",
      message: "a has no free address",
    },
  ])("$name", ({ list, given, reason, message }) => {
    const { shortage } = select(list, given);
    expect(shortage?.reason).toBe(reason);
    expect(shortage?.message).toContain(message);
  });
});
