import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CloudAnswer, SimulatedCloud } from "./cloud.ts";
import { aCloud, ask, createParameters, settled, virtualTime, type VirtualTime } from "./fixture.ts";
import type { SimulatedEni } from "./model.ts";

let time: VirtualTime;
let cloud: SimulatedCloud;

beforeEach(() => {
  time = virtualTime();
  cloud = aCloud();
});
afterEach(() => {
  cloud.close();
  time.uninstall();
});

const run = (action: string, parameters?: Record<string, string>): Promise<CloudAnswer> =>
  settled(time, ask(cloud, action, parameters));

async function created(parameters: Record<string, string> = {}): Promise<string> {
  const { status, body } = await run("CreateNetworkInterface", { ...createParameters, ...parameters });
  expect(status).toBe(200);
  return String(body["NetworkInterfaceId"]);
}

const eniOf = (eniId: string): SimulatedEni | undefined => cloud.enis().find((eni) => eni.eniId === eniId);
const on = (eniId: string, instanceId = "i-a", trunk?: string): Record<string, string> => ({
  NetworkInterfaceId: eniId,
  InstanceId: instanceId,
  ...(trunk === undefined ? {} : { TrunkNetworkInstanceId: trunk }),
});
async function inUse(trunk?: string, parameters?: Record<string, string>): Promise<string> {
  const eniId = await created(parameters);
  expect(await run("AttachNetworkInterface", on(eniId, "i-a", trunk))).toMatchObject({ status: 200 });
  await time.tickAsync(3_000);
  expect(eniOf(eniId)?.status).toBe("InUse");
  return eniId;
}
const refused = (status: number, code: string): object => ({ status, body: { Code: code } });
const wrongState = refused(400, "InvalidOperation.InvalidEniState");

describe("the life of an interface", () => {
  it("goes Available, Attaching, InUse, Detaching, Available, Deleting, gone, each after its time", async () => {
    const startedAt = Date.now();
    const eniId = await created();
    expect(eniOf(eniId)?.status).toBe("Available");
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(300);
    const attachAt = Date.now();
    await run("AttachNetworkInterface", on(eniId));
    expect(eniOf(eniId)?.status).toBe("Attaching");
    await time.tickAsync(attachAt + 1_490 - Date.now());
    expect(eniOf(eniId)?.status).toBe("Attaching");
    await time.tickAsync(1_520);
    expect(eniOf(eniId)).toMatchObject({ status: "InUse", type: "Secondary", deviceIndex: 1 });
    const detachAt = Date.now();
    await run("DetachNetworkInterface", on(eniId));
    await time.tickAsync(detachAt + 990 - Date.now());
    expect(eniOf(eniId)?.status).toBe("Detaching");
    await time.tickAsync(1_020);
    expect(eniOf(eniId)).toMatchObject({ status: "Available" });
    expect(eniOf(eniId)?.instanceId).toBeUndefined();
    await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId });
    expect(eniOf(eniId)?.status).toBe("Deleting");
    await time.tickAsync(1_000);
    expect(eniOf(eniId)).toBeUndefined();
    const gone = cloud.report().enis.find((eni) => eni.eniId === eniId);
    expect(gone).toMatchObject({ status: "Gone" });
    const {
      createStartedAt,
      createAnsweredAt,
      attachStartedAt,
      attachAnsweredAt,
      inUseAt,
      detachStartedAt,
      availableAt,
      deletedAt,
    } = gone?.timings ?? {};
    const instants = [
      createStartedAt,
      createAnsweredAt,
      attachStartedAt,
      attachAnsweredAt,
      inUseAt,
      detachStartedAt,
      availableAt,
      deletedAt,
    ];
    expect(instants).toEqual([...instants].sort((left, right) => Number(left) - Number(right)));
    expect(instants).not.toContain(undefined);
  });

  it("shows no device index before InUse", async () => {
    const trunk = cloud.addTrunk("i-a");
    const eniId = await created();
    await run("AttachNetworkInterface", on(eniId, "i-a", trunk));
    const { body } = await run("DescribeNetworkInterfaceAttribute", { NetworkInterfaceId: eniId });
    expect(body).toMatchObject({ Status: "Attaching", Attachment: { InstanceId: "i-a" } });
    expect(body["Attachment"]).not.toHaveProperty("DeviceIndex");
  });

  it("refuses a second attach, whatever the state", async () => {
    const eniId = await created();
    await run("AttachNetworkInterface", on(eniId));
    expect(await run("AttachNetworkInterface", on(eniId))).toMatchObject(wrongState);
    await time.tickAsync(3_000);
    expect(await run("AttachNetworkInterface", on(eniId))).toMatchObject(wrongState);
  });

  it("refuses to detach what is Available or Attaching, and to delete what is not Available", async () => {
    const eniId = await created();
    expect(await run("DetachNetworkInterface", on(eniId))).toMatchObject(wrongState);
    await run("AttachNetworkInterface", on(eniId));
    expect(await run("DetachNetworkInterface", on(eniId))).toMatchObject(wrongState);
    expect(await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId })).toMatchObject(wrongState);
    await time.tickAsync(3_000);
    expect(await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId })).toMatchObject(wrongState);
  });

  it("takes a repeated detach and a repeated delete without starting anew", async () => {
    const eniId = await inUse();
    await run("DetachNetworkInterface", on(eniId));
    expect(await run("DetachNetworkInterface", on(eniId))).toMatchObject({ status: 200 });
    await time.tickAsync(2_000);
    const availableAt = cloud.report().enis.find((eni) => eni.eniId === eniId)?.timings.availableAt;
    await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId });
    expect(await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId })).toMatchObject({ status: 200 });
    await time.tickAsync(1_000);
    expect(availableAt).toBeDefined();
    expect(await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId })).toMatchObject(
      refused(404, "InvalidEniId.NotFound"),
    );
    expect(await run("DescribeNetworkInterfaceAttribute", { NetworkInterfaceId: eniId })).toMatchObject(
      refused(404, "InvalidEniId.NotFound"),
    );
  });

  it("refuses to detach the primary interface", async () => {
    const primary = cloud.enis().find((eni) => eni.instanceId === "i-a" && eni.type === "Primary");
    expect(await run("DetachNetworkInterface", on(primary?.eniId ?? ""))).toMatchObject(
      refused(400, "InvalidOperation.DetachPrimaryEniNotAllowed"),
    );
  });
});

describe("members of a trunk", () => {
  it("have VLAN ids of their own and give them back", async () => {
    const trunk = cloud.addTrunk("i-a");
    const [first, second] = [await inUse(trunk), await inUse(trunk)];
    expect(eniOf(first)).toMatchObject({ type: "Member", trunkEniId: trunk, deviceIndex: 1 });
    expect(eniOf(second)).toMatchObject({ deviceIndex: 2 });
    await run("DetachNetworkInterface", on(first, "i-a", trunk));
    await time.tickAsync(2_000);
    expect(eniOf(first)).toMatchObject({ type: "Secondary" });
    expect(eniOf(first)?.trunkEniId).toBeUndefined();
    expect(eniOf(await inUse(trunk))).toMatchObject({ deviceIndex: 1 });
  });

  it("can be detached only by naming their machine and their trunk", async () => {
    const trunk = cloud.addTrunk("i-a");
    const eniId = await inUse(trunk);
    expect(await run("DetachNetworkInterface", on(eniId))).toMatchObject(
      refused(403, "InvalidParameter.EniNotBelongTrunk"),
    );
    expect(await run("DetachNetworkInterface", on(eniId, "i-b", trunk))).toMatchObject(
      refused(400, "InvalidParameter.EniNotBelongEcs"),
    );
    expect(await run("DetachNetworkInterface", on(trunk))).toMatchObject(
      refused(403, "InvalidOperation.HasMemberEniAttached"),
    );
  });
});

describe("a machine that is removed", () => {
  it("takes its interfaces with DeleteOnRelease along; the others become Available", async () => {
    const trunk = cloud.addTrunk("i-a");
    const kept = await inUse(trunk, { DeleteOnRelease: "false" });
    const lost = await inUse(trunk, { DeleteOnRelease: "true" });
    cloud.removeInstance("i-a");
    expect(eniOf(kept)).toMatchObject({ status: "Available", type: "Secondary" });
    expect(eniOf(lost)).toBeUndefined();
    expect(eniOf(trunk)).toBeUndefined();
    expect(await run("DetachNetworkInterface", on(kept))).toMatchObject(refused(404, "InvalidEcsId.NotFound"));
  });

  it("does not come back through an attach that was under way", async () => {
    const eniId = await created({ DeleteOnRelease: "false" });
    await run("AttachNetworkInterface", on(eniId));
    cloud.removeInstance("i-a");
    await time.tickAsync(5_000);
    expect(eniOf(eniId)?.status).toBe("Available");
  });
});

describe("late reads", () => {
  beforeEach(() => {
    cloud = aCloud({ readDelayMs: 2_000 });
  });
  const seen = async (eniId: string): Promise<unknown> => {
    const { body } = await run("DescribeNetworkInterfaces", { "NetworkInterfaceId.1": eniId });
    const { NetworkInterfaceSet: rows } = body["NetworkInterfaceSets"] as { NetworkInterfaceSet: { Status: string }[] };
    return rows[0]?.Status;
  };

  it("miss a young interface, show the state of before, and list a deleted one for a while", async () => {
    const eniId = await created();
    expect(await seen(eniId)).toBeUndefined();
    await time.tickAsync(2_000);
    expect(await seen(eniId)).toBe("Available");
    await run("AttachNetworkInterface", on(eniId));
    expect(await seen(eniId)).toBe("Available");
    await time.tickAsync(3_000);
    expect(await seen(eniId)).toBe("Attaching");
    await time.tickAsync(2_000);
    expect(await seen(eniId)).toBe("InUse");
    await run("DetachNetworkInterface", on(eniId));
    await time.tickAsync(2_000);
    expect(await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId })).toMatchObject({ status: 200 });
    await time.tickAsync(1_000);
    expect(eniOf(eniId)).toBeUndefined();
    expect(await seen(eniId)).toBeDefined();
    await time.tickAsync(3_000);
    expect(await seen(eniId)).toBeUndefined();
  });
});

describe("interfaces being allocated", () => {
  it("are counted from the start of the create until InUse", async () => {
    const first = ask(cloud, "CreateNetworkInterface", createParameters);
    await time.tickAsync(10);
    expect(cloud.report()).toMatchObject({ allocating: 1 });
    const eniId = String((await settled(time, first)).body["NetworkInterfaceId"]);
    await inUse();
    expect(cloud.report()).toMatchObject({ allocating: 1, peakAllocating: 2 });
    await run("DeleteNetworkInterface", { NetworkInterfaceId: eniId });
    await time.tickAsync(1_000);
    expect(cloud.report()).toMatchObject({ allocating: 0, peakAllocating: 2 });
    cloud.resetPeaks();
    expect(cloud.report().peakAllocating).toBe(0);
    await run("CreateNetworkInterface", { ...createParameters, VSwitchId: "vsw-nowhere" });
    expect(cloud.report().peakAllocating).toBe(0);
  });
});
