import { describe, expect, it } from "@jest/globals";
import { parseEniConfig, type EniConfig } from "./eni-config.ts";

describe("the cluster's defaults in eni-config", () => {
  it.each<{ name: string; text: string; want: Partial<EniConfig> }>([
    {
      name: "the vSwitches of all zones, sorted, each once",
      text: '{"vswitches":{"zone-b":["vsw-3","vsw-1"],"zone-a":["vsw-2","vsw-1"]}}',
      want: { vSwitchIds: ["vsw-1", "vsw-2", "vsw-3"] },
    },
    {
      name: "the union of both spellings of the security groups, sorted",
      text: '{"security_group":"sg-2","security_groups":["sg-3","sg-1","sg-2"]}',
      want: { securityGroupIds: ["sg-1", "sg-2", "sg-3"] },
    },
    { name: "nothing configured", text: "{}", want: { vSwitchIds: [], securityGroupIds: [], ipStack: "ipv4" } },
    { name: "two stacks", text: '{"ip_stack":"dual"}', want: { ipStack: "dual" } },
    { name: "what belongs to the daemon", text: '{"max_pool_size":"many"}', want: { ipStack: "ipv4" } },
  ])("are read: $name", ({ text, want }) => {
    expect(parseEniConfig(text)).toMatchObject(want);
  });

  it("may name ten security groups and no eleventh", () => {
    const text = (count: number) =>
      JSON.stringify({ security_groups: Array.from({ length: count }, (_, index) => `sg-${index}`) });
    expect(parseEniConfig(text(10)).securityGroupIds).toHaveLength(10);
    expect(() => parseEniConfig(text(11))).toThrow("11 security groups; at most 10");
  });

  it.each([
    { name: "empty", text: " ", says: "eni_conf is empty" },
    { name: "no JSON", text: "{", says: "JSON" },
    { name: "a list", text: "[]", says: "eni_conf" },
    { name: "of vSwitches without zones", text: '{"vswitches":["vsw-1"]}', says: "eni_conf.vswitches" },
    { name: "of an unknown stack", text: '{"ip_stack":"ipv5"}', says: "ip_stack must be ipv4, ipv6 or dual" },
  ])("are refused when the text is $name", ({ text, says }) => {
    expect(() => parseEniConfig(text)).toThrow(says);
  });
});
