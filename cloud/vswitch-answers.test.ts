import { describe, expect, it } from "@jest/globals";
import { listVSwitches } from "./vswitch-answers.ts";

describe("listing the vSwitches of a VPC", () => {
  it("ends with an error when the cloud does not end its listing", async () => {
    const row = { VSwitchId: "vsw-1" };
    const page = { VSwitches: { VSwitch: Array.from({ length: 50 }, () => row) } };
    const options = { priority: "bind", signal: new AbortController().signal } as const;
    const listing = listVSwitches(() => Promise.resolve(page), { regionId: "r", vpcId: "vpc-1" }, options);
    await expect(listing).rejects.toMatchObject({ category: "transient", reason: "MalformedAnswer" });
  });
});
