import { describe, expect, it } from "@jest/globals";
import type { ApiName, CallParameters } from "./call.ts";
import { createEniClient, type EniClient } from "./enis.ts";

const options = { priority: "bind", signal: new AbortController().signal } as const;
const place = { eniId: "eni-1", instanceId: "i-1" };
const creation = {
  vSwitchId: "vsw-1",
  securityGroupIds: ["sg-1"],
  clientToken: "t",
  tags: {},
  deleteOnRelease: false,
  ipv6Count: 0,
};

/** What goes over the wire; a parameter that is undefined does not. */
async function sentBy(run: (client: EniClient) => Promise<unknown>) {
  const sent: [ApiName, CallParameters][] = [];
  const client = createEniClient((api, _kind, parameters) => {
    sent.push([api, Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== undefined))]);
    return Promise.resolve({ NetworkInterfaceId: "eni-1", NetworkInterfaceSets: { NetworkInterfaceSet: [] } });
  }, "cn-hangzhou");
  await run(client);
  return sent;
}

interface Row {
  readonly name: string;
  readonly run: (client: EniClient) => Promise<unknown>;
  readonly api: ApiName;
  /** Exactly these beside the region. */
  readonly parameters: CallParameters;
}

const rows: readonly Row[] = [
  {
    name: "attaches a whole interface",
    run: (client) => client.attachEni(place, options),
    api: "AttachNetworkInterface",
    parameters: { NetworkInterfaceId: "eni-1", InstanceId: "i-1" },
  },
  {
    name: "attaches a member to its trunk, on the card that it is told",
    run: (client) => client.attachEni({ ...place, trunkEniId: "eni-t", networkCardIndex: 0 }, options),
    api: "AttachNetworkInterface",
    parameters: {
      NetworkInterfaceId: "eni-1",
      InstanceId: "i-1",
      TrunkNetworkInstanceId: "eni-t",
      NetworkCardIndex: 0,
    },
  },
  {
    name: "detaches a member from its trunk",
    run: (client) => client.detachEni({ ...place, trunkEniId: "eni-t" }, options),
    api: "DetachNetworkInterface",
    parameters: { NetworkInterfaceId: "eni-1", InstanceId: "i-1", TrunkNetworkInstanceId: "eni-t" },
  },
  {
    name: "deletes",
    run: (client) => client.deleteEni({ eniId: "eni-1" }, options),
    api: "DeleteNetworkInterface",
    parameters: { NetworkInterfaceId: "eni-1" },
  },
  {
    name: "looks for what an account made in a VPC",
    run: (client) => client.listEnis({ vpcId: "vpc-1", status: "Available", type: "Secondary" }, options),
    api: "DescribeNetworkInterfaces",
    parameters: { VpcId: "vpc-1", Status: "Available", Type: "Secondary", MaxResults: 500 },
  },
  {
    name: "makes one that outlives its machine, with IPv6, in a resource group",
    run: (client) => client.createEni({ ...creation, ipv6Count: 1, resourceGroupId: "rg-1" }, options),
    api: "CreateNetworkInterface",
    parameters: {
      VSwitchId: "vsw-1",
      SecurityGroupIds: ["sg-1"],
      InstanceType: "Secondary",
      Description: "interface create by terway",
      DeleteOnRelease: false,
      SourceDestCheck: false,
      Ipv6AddressCount: 1,
      ResourceGroupId: "rg-1",
      Tag: [],
      ClientToken: "t",
    },
  },
];

describe("a call for an interface has the published parameters and no other: the client", () => {
  it.each(rows)("$name", async ({ run, api, parameters }) => {
    expect(await sentBy(run)).toEqual([[api, { RegionId: "cn-hangzhou", ...parameters }]]);
  });
});
