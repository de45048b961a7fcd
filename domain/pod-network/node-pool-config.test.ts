import { describe, expect, it } from "@jest/globals";
import { parseNodePoolConfig, type NodePoolConfig } from "./node-pool-config.ts";

const defaults: NodePoolConfig = {
  securityGroupIds: [],
  ipStack: "ipv4",
  vSwitchIdsByZone: {},
  vSwitchSelectionPolicy: "random",
  tags: {},
  tagFilter: {},
  tagBlockList: [],
  resourceGroupId: "",
  enableTrunking: false,
  enableIpPrefix: false,
  ipv4PrefixCount: 0,
  ipv6PrefixCount: 0,
  maxPoolSize: 0,
  minPoolSize: 0,
  poolSyncPeriod: "",
  warmUpSize: 0,
};

describe("what eni-config says about the interfaces of a machine", () => {
  it.each<{ name: string; conf: object; want: Partial<NodePoolConfig> }>([
    { name: "nothing", conf: {}, want: {} },
    {
      name: "vSwitches, each zone in its order",
      conf: { vswitches: { "zone-b": ["vsw-3", "vsw-1"], "zone-a": ["vsw-2"] }, vswitch_selection_policy: "ordered" },
      want: {
        vSwitchIdsByZone: { "zone-b": ["vsw-3", "vsw-1"], "zone-a": ["vsw-2"] },
        vSwitchSelectionPolicy: "ordered",
      },
    },
    {
      name: "groups, tags and resource group",
      conf: {
        security_group: "sg-2",
        security_groups: ["sg-1"],
        eni_tags: { a: "1" },
        eni_tag_filter: { b: "2" },
        eni_tag_block_list: [{ key: "c", value: "3" }],
        resource_group_id: "rg-1",
      },
      want: {
        securityGroupIds: ["sg-1", "sg-2"],
        tags: { a: "1" },
        tagFilter: { b: "2" },
        tagBlockList: [{ key: "c", value: "3" }],
        resourceGroupId: "rg-1",
      },
    },
    {
      name: "kinds of interfaces and addresses",
      conf: { ip_stack: "dual", enable_eni_trunking: true, enable_ip_prefix: true, ipv4_prefix_count: 3 },
      want: { ipStack: "dual", enableTrunking: true, enableIpPrefix: true, ipv4PrefixCount: 3 },
    },
    {
      name: "sizes of the pool",
      conf: { max_pool_size: 5, min_pool_size: 1, ip_pool_sync_period: "2m", ip_warm_up_size: 4 },
      want: { maxPoolSize: 5, minPoolSize: 1, poolSyncPeriod: "2m", warmUpSize: 4 },
    },
    {
      name: "reclaim with its defaults",
      conf: { idle_ip_reclaim_after: "30m" },
      want: { reclaim: { after: "30m", interval: "10m", batchSize: 5, jitterFactor: "0.1" } },
    },
    {
      name: "reclaim in full",
      conf: {
        idle_ip_reclaim_after: "1h",
        idle_ip_reclaim_interval: "5m",
        idle_ip_reclaim_batch_size: 9,
        idle_ip_reclaim_jitter_factor: "0.5",
      },
      want: { reclaim: { after: "1h", interval: "5m", batchSize: 9, jitterFactor: "0.5" } },
    },
    { name: "an interval without reclaim", conf: { idle_ip_reclaim_interval: "5m" }, want: {} },
  ])("is read: $name", ({ conf, want }) => {
    expect(parseNodePoolConfig(JSON.stringify(conf))).toEqual({ ...defaults, ...want });
  });

  it("is merged with the machine's own: members replace, objects merge, null removes", () => {
    const cluster = { vswitches: { a: ["vsw-1"], b: ["vsw-2"] }, max_pool_size: 5, eni_tags: { team: "x" } };
    const machine = { vswitches: { a: ["vsw-9"] }, max_pool_size: null, eni_tags: { team: null, own: "y" } };
    expect(parseNodePoolConfig(JSON.stringify(cluster), JSON.stringify(machine))).toEqual({
      ...defaults,
      vSwitchIdsByZone: { a: ["vsw-9"], b: ["vsw-2"] },
      tags: { own: "y" },
    });
  });

  it.each([
    { name: "an empty text", text: "", overlay: undefined, says: "eni_conf is empty" },
    { name: "an empty text of the machine", text: "{}", overlay: " ", says: "eni_conf is empty" },
    { name: "a machine's text that is no object", text: "{}", overlay: "[]", says: "eni_conf must be an object" },
    { name: "a negative size", text: '{"max_pool_size":-1}', overlay: undefined, says: "max_pool_size" },
    { name: "a size in words", text: '{"min_pool_size":"one"}', overlay: undefined, says: "min_pool_size" },
    {
      name: "no duration",
      text: '{"idle_ip_reclaim_after":"soon"}',
      overlay: undefined,
      says: "idle_ip_reclaim_after",
    },
    {
      name: "an unknown policy",
      text: '{"vswitch_selection_policy":"most"}',
      overlay: undefined,
      says: "random, ordered",
    },
    { name: "a tag that is no text", text: '{"eni_tags":{"a":1}}', overlay: undefined, says: "eni_conf.eni_tags.a" },
  ])("is refused with the member that is wrong: $name", ({ text, overlay, says }) => {
    expect(() => parseNodePoolConfig(text, overlay)).toThrow(says);
  });
});
