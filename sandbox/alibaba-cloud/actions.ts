import type { Action } from "./action.ts";
import type { Api } from "./api.ts";
import * as describe from "./describe.ts";
import * as addresses from "./eni-addresses.ts";
import * as attachment from "./eni-attachment.ts";
import * as attributes from "./eni-attributes.ts";
import { createNetworkInterface } from "./eni-create.ts";

/** What each API does. */
export const actions: Readonly<Record<Api, Action>> = {
  CreateNetworkInterface: createNetworkInterface,
  AttachNetworkInterface: attachment.attachNetworkInterface,
  DetachNetworkInterface: attachment.detachNetworkInterface,
  DeleteNetworkInterface: attachment.deleteNetworkInterface,
  DescribeNetworkInterfaces: describe.describeNetworkInterfaces,
  DescribeNetworkInterfaceAttribute: describe.describeNetworkInterfaceAttribute,
  AssignPrivateIpAddresses: addresses.assignPrivateIpAddresses,
  UnassignPrivateIpAddresses: addresses.unassignPrivateIpAddresses,
  AssignIpv6Addresses: addresses.assignIpv6Addresses,
  UnassignIpv6Addresses: addresses.unassignIpv6Addresses,
  ModifyNetworkInterfaceAttribute: attributes.modifyNetworkInterfaceAttribute,
  DescribeInstances: describe.describeInstances,
  DescribeInstanceAttribute: describe.describeInstanceAttribute,
  DescribeInstanceTypes: describe.describeInstanceTypes,
  TagResources: attributes.tagResources,
  DescribeVSwitches: describe.describeVSwitches,
  DescribeVSwitchAttributes: describe.describeVSwitchAttributes,
};
