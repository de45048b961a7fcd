import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { CallFailed } from "./call.ts";
import { installVirtualTime, type VirtualTime } from "./fixtures/virtual-time.ts";
import { CachedInstanceTypes } from "./instance-types.ts";
import type { Invoke } from "./invoke.ts";
import { toOperatorError } from "./operator-error.ts";

const never = new AbortController().signal;
const dayMs = 24 * 3_600_000;

describe("the memory of instance types", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime();
  });
  afterEach(() => time.timers.uninstall());

  /** A cloud that knows every type but those of family `none`, and counts. */
  const world = () => {
    const calls: string[][] = [];
    const state: { refusal: CallFailed | undefined; answer: unknown } = { refusal: undefined, answer: undefined };
    const invoke: Invoke = async (api, _, parameters) => {
      const types = (parameters as { readonly InstanceTypes: readonly string[] }).InstanceTypes;
      calls.push([...types]);
      await time.clock.sleep(100);
      if (state.refusal !== undefined) throw toOperatorError(api, state.refusal, 0);
      if (state.answer !== undefined) return state.answer;
      const known = types.filter((type) => !type.startsWith("ecs.none"));
      return { InstanceTypes: { InstanceType: known.map((InstanceTypeId) => ({ InstanceTypeId, EniQuantity: 4 })) } };
    };
    const types = new CachedInstanceTypes({ invoke, clock: time.clock });
    const get = async (...names: string[]) => {
      const results = Promise.all(names.map((name) => types.get(name, never)));
      await time.timers.tickAsync(500);
      return results;
    };
    return { types, calls, state, get };
  };

  it("asks once for the types of 500 machines that join together", async () => {
    const { calls, get } = world();
    const names = Array.from({ length: 500 }, (_, index) => `ecs.g7.${index % 3}xlarge`);
    const results = await get(...names);
    expect(results.map(({ instanceType }) => instanceType)).toEqual(names);
    expect(calls).toEqual([["ecs.g7.0xlarge", "ecs.g7.1xlarge", "ecs.g7.2xlarge"]]);
  });

  it("asks for no more than ten types in a call", async () => {
    const { calls, get } = world();
    const names = Array.from({ length: 23 }, (_, index) => `ecs.g${index}.large`);
    const results = await get(...names);
    expect(results.every((read) => !("error" in read))).toBe(true);
    expect(calls.map(({ length }) => length)).toEqual([10, 10, 3]);
  });

  it("remembers a type for 15 days", async () => {
    const { calls, get } = world();
    await get("ecs.g7.large");
    await time.timers.tickAsync(15 * dayMs - 1_000);
    await get("ecs.g7.large");
    expect(calls).toHaveLength(1);
    await time.timers.tickAsync(1_000);
    await get("ecs.g7.large");
    expect(calls).toHaveLength(2);
  });

  it("says that the cloud does not know a type, and asks again after 20 s", async () => {
    const { calls, get } = world();
    expect(await get("ecs.none.large", "ecs.g7.large")).toMatchObject([
      { instanceType: "ecs.none.large", error: "NotFound" },
      { instanceType: "ecs.g7.large", eniQuantity: 4 },
    ]);
    await time.timers.tickAsync(10_000);
    await get("ecs.none.large");
    expect(calls).toHaveLength(1);
    await time.timers.tickAsync(10_000);
    await get("ecs.none.large");
    expect(calls).toHaveLength(2);
  });

  it("remembers no failure that may pass", async () => {
    const { calls, state, get } = world();
    state.refusal = new CallFailed({ kind: "timeout", code: "Timeout", message: "no answer" });
    expect(await get("ecs.g7.large")).toMatchObject([{ error: { category: "transient" } }]);
    state.refusal = undefined;
    expect(await get("ecs.g7.large")).toMatchObject([{ eniQuantity: 4 }]);
    expect(calls).toHaveLength(2);
  });

  it("takes an answer without the list for a failure that may pass", async () => {
    const { state, get } = world();
    state.answer = { RequestId: "r" };
    expect(await get("ecs.g7.large")).toMatchObject([{ error: { reason: "MalformedAnswer" } }]);
  });

  it("reads every figure, and none where there is none", async () => {
    const { state, get } = world();
    const full = {
      InstanceTypeId: "ecs.full",
      EniQuantity: 8,
      EniTotalQuantity: 60,
      EniTrunkSupported: true,
      EniPrivateIpAddressQuantity: 20,
      EniIpv6AddressQuantity: 1,
      EriQuantity: 2,
      InstanceBandwidthRx: 3_072_000,
      InstanceBandwidthTx: 1_024_000,
      NetworkCards: { NetworkCardInfo: [{ NetworkCardIndex: 0 }, { NetworkCardIndex: 1 }] },
    };
    state.answer = { InstanceTypes: { InstanceType: [full, { InstanceTypeId: "ecs.empty", NetworkCards: {} }] } };
    expect(await get("ecs.full", "ecs.empty")).toEqual([
      {
        instanceType: "ecs.full",
        eniQuantity: 8,
        eniTotalQuantity: 60,
        isTrunkSupported: true,
        ipv4PerEni: 20,
        ipv6PerEni: 1,
        eriQuantity: 2,
        bandwidthRx: 3_072_000,
        bandwidthTx: 1_024_000,
        networkCardIndexes: [0, 1],
      },
      expect.objectContaining({ instanceType: "ecs.empty", eniQuantity: 0, isTrunkSupported: false }),
    ]);
  });

  it("ends one caller's wait with its signal and goes on for the others", async () => {
    const { types, calls } = world();
    const leaving = new AbortController();
    const left = types.get("ecs.g7.large", leaving.signal);
    const stays = types.get("ecs.g7.large", never);
    leaving.abort();
    await expect(left).rejects.toMatchObject({ name: "AbortError" });
    await time.timers.tickAsync(500);
    await expect(stays).resolves.toMatchObject({ eniQuantity: 4 });
    expect(calls).toHaveLength(1);
  });

  it("ends every wait when it is closed", async () => {
    const { types } = world();
    const read = types.get("ecs.g7.large", never);
    types.close();
    await time.timers.tickAsync(10);
    await expect(read).resolves.toMatchObject({ error: { category: "waiting" } });
  });
});
