import { describe, expect, it } from "@jest/globals";
import type { NodeCap, NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { parseNodePoolConfig } from "../../domain/pod-network/node-pool-config.ts";
import { openSections, sectionNames, toSections, type Notice, type SectionsInput } from "./sections.ts";

const cap: NodeCap = { adapters: 4, ipv4PerAdapter: 15, ipv6PerAdapter: 15, memberAdapterLimit: 16 };
const usable = { vswitches: { "zone-a": ["vsw-2", "vsw-1"] }, security_groups: ["sg-2", "sg-1"] };

function sectionsOf(conf: object, more: Partial<SectionsInput> = {}) {
  const config = parseNodePoolConfig(JSON.stringify({ ...usable, ...conf }));
  return toSections({ config, cap, zone: "zone-a", isExclusive: false, spec: undefined, open: sectionNames, ...more });
}

const trunk = { networkInterfaceType: "Trunk", networkInterfaceTrafficMode: "Standard", count: 1 };
const standard = (count: number) => ({
  networkInterfaceType: "Secondary",
  networkInterfaceTrafficMode: "Standard",
  count,
});
const erdma = { networkInterfaceType: "Secondary", networkInterfaceTrafficMode: "HighPerformance", count: 1 };
const blocked = [
  { key: "creator", value: "alibabacloud-erdma-controller" },
  { key: "terway.alibabacloud.com/excluded", value: "true" },
];

describe("the parts of a Node that eni-config describes", () => {
  it("are these, with the least that it can say", () => {
    expect(sectionsOf({})).toEqual({
      sections: {
        eni: {
          vSwitchOptions: ["vsw-2", "vsw-1"],
          securityGroupIDs: ["sg-1", "sg-2"],
          vSwitchSelectPolicy: "random",
          tagBlockList: blocked,
          enableIPv4: true,
        },
        flavor: [standard(3)],
        pool: { maxPoolSize: 0, minPoolSize: 0 },
        datapath: { type: "veth" },
      },
      notices: [],
    });
  });

  it("need a vSwitch in the machine's zone, whatever the zone is called", () => {
    expect(sectionsOf({}, { zone: "constructor" })).toEqual({ problem: "eni_conf names no vSwitch in constructor" });
  });

  it.each<{ name: string; conf: object; more?: Partial<SectionsInput>; want: object; notices?: Notice["reason"][] }>([
    {
      name: "a policy in the published words",
      conf: { vswitch_selection_policy: "ordered" },
      want: { eni: { vSwitchSelectPolicy: "most" } },
    },
    {
      name: "tags, each blocked one once and none without a key",
      conf: {
        eni_tags: { a: "1" },
        eni_tag_filter: { b: "2" },
        eni_tag_block_list: [{ key: "c", value: "3" }, blocked[0], { key: "", value: "x" }],
        resource_group_id: "rg-1",
      },
      want: {
        eni: {
          tag: { a: "1" },
          tagFilter: { b: "2" },
          tagBlockList: [...blocked, { key: "c", value: "3" }],
          resourceGroupID: "rg-1",
        },
      },
    },
    {
      name: "a trunk, which takes a slot",
      conf: { enable_eni_trunking: true },
      want: { eni: { enableTrunk: true }, flavor: [trunk, standard(2)] },
    },
    {
      name: "no trunk where the type has no members",
      conf: { enable_eni_trunking: true },
      more: { cap: { ...cap, memberAdapterLimit: 0 } },
      want: { eni: expect.not.objectContaining({ enableTrunk: true }), flavor: [standard(3)] },
    },
    {
      name: "no trunk and no pool on an exclusive machine",
      conf: { enable_eni_trunking: true, max_pool_size: 5, min_pool_size: 1, ip_warm_up_size: 4 },
      more: { isExclusive: true },
      want: {
        eni: expect.not.objectContaining({ enableTrunk: true }),
        flavor: [standard(3)],
        pool: { maxPoolSize: 0, minPoolSize: 0, warmUpSize: 4 },
      },
    },
    {
      name: "a trunk on the only slot",
      conf: { enable_eni_trunking: true },
      more: { cap: { ...cap, adapters: 2 } },
      want: { flavor: [trunk] },
    },
    { name: "no slot at all", conf: {}, more: { cap: { adapters: 1 } }, want: { flavor: [] } },
    { name: "two stacks", conf: { ip_stack: "dual" }, want: { eni: { enableIPv4: true, enableIPv6: true } } },
    {
      name: "one stack where the type has too few addresses for two",
      conf: { ip_stack: "dual" },
      more: { cap: { ...cap, ipv6PerAdapter: 1 } },
      want: { eni: expect.not.objectContaining({ enableIPv6: true }) },
      notices: ["ConfigError"],
    },
    {
      name: "IPv6 alone, whose prefixes are counted",
      conf: { ip_stack: "ipv6", ipv6_prefix_count: 1, ipv4_prefix_count: 2 },
      want: { eni: { enableIPv6: true, ipv6PrefixCount: 1, ipv4PrefixCount: 2 } },
    },
    {
      name: "no IPv6 prefixes beside IPv4",
      conf: { ip_stack: "dual", ipv6_prefix_count: 1 },
      want: { eni: expect.not.objectContaining({ ipv6PrefixCount: 1 }) },
    },
    {
      name: "prefixes instead of a pool",
      conf: { enable_ip_prefix: true, max_pool_size: 5 },
      want: { eni: { enableIPPrefix: true }, pool: { maxPoolSize: 0 } },
    },
    {
      name: "a pool that gives back",
      conf: { max_pool_size: 5, min_pool_size: 1, ip_pool_sync_period: "2m", idle_ip_reclaim_after: "30m" },
      want: {
        pool: {
          maxPoolSize: 5,
          minPoolSize: 1,
          poolSyncPeriod: "2m",
          reclaim: { after: "30m", interval: "10m", batchSize: 5, jitterFactor: "0.1" },
        },
      },
    },
  ])("follow it: $name", ({ conf, more = {}, want, notices = [] }) => {
    const result = sectionsOf(conf, more);
    expect(result).toMatchObject({ sections: want });
    expect("notices" in result ? result.notices.map(({ reason }) => reason) : []).toEqual(notices);
  });

  it.each([
    { recorded: true, wanted: false },
    { recorded: false, wanted: true },
  ])("keep the mode of prefixes that the machine joined with: $recorded", ({ recorded, wanted }) => {
    const eni = { vSwitchOptions: [], securityGroupIDs: [], vSwitchSelectPolicy: "random" as const };
    const result = sectionsOf({ enable_ip_prefix: wanted }, { spec: { eni: { ...eni, enableIPPrefix: recorded } } });
    expect(result).toMatchObject({ notices: [{ reason: "PrefixModeImmutable" }] });
    const kept = "sections" in result && result.sections.eni?.enableIPPrefix === true;
    expect(kept).toBe(recorded);
  });

  it("follow the part that a daemon wrote, in the others", () => {
    const eni = { vSwitchOptions: ["x"], securityGroupIDs: ["y"], vSwitchSelectPolicy: "most" as const };
    const spec: NodeSpec = { eni: { ...eni, enableTrunk: true, enableERDMA: true, enableIPPrefix: true } };
    expect(sectionsOf({ max_pool_size: 5 }, { spec, open: ["flavor", "pool"] })).toEqual({
      sections: { flavor: [trunk, erdma, standard(1)], pool: { maxPoolSize: 0, minPoolSize: 0 } },
      notices: [],
    });
  });

  it.each([
    { name: "no vSwitch in the zone", conf: { vswitches: { "zone-b": ["vsw-1"] } }, problem: "no vSwitch in zone-a" },
    { name: "an empty zone", conf: { vswitches: { "zone-a": [] } }, problem: "no vSwitch in zone-a" },
    { name: "no security group", conf: { security_groups: [] }, problem: "no security group" },
  ])("cannot be made with $name", ({ conf, problem }) => {
    expect(sectionsOf(conf)).toEqual({ problem: expect.stringContaining(problem) });
  });
});

describe("whose a part is", () => {
  const pool = { maxPoolSize: 0, minPoolSize: 1 };
  it.each<{ name: string; spec?: NodeSpec; applied?: string; open: readonly string[] }>([
    { name: "nothing is there", open: sectionNames },
    { name: "it is what we wrote", spec: { pool }, applied: JSON.stringify({ pool }), open: sectionNames },
    {
      name: "a Go program wrote ours again, without its zero values",
      spec: { pool: { minPoolSize: 1 } },
      applied: JSON.stringify({ pool }),
      open: sectionNames,
    },
    {
      name: "it has another value than ours",
      spec: { pool: { minPoolSize: 2 } },
      applied: JSON.stringify({ pool }),
      open: ["eni", "flavor", "datapath"],
    },
    { name: "it was never ours", spec: { datapath: { type: "ipvlan" } }, open: ["eni", "flavor", "pool"] },
    { name: "the note of ours is lost", spec: { pool }, applied: "{", open: ["eni", "flavor", "datapath"] },
    { name: "the note of ours is no object", spec: { pool }, applied: "[]", open: ["eni", "flavor", "datapath"] },
    { name: "somebody took ours away", spec: {}, applied: JSON.stringify({ pool }), open: sectionNames },
  ])("$name", ({ spec, applied, open }) => {
    expect(openSections(spec, applied)).toEqual(open);
  });
});
