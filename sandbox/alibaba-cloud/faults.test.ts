import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { CloudAnswer, SimulatedCloud } from "./cloud.ts";
import { parseFaults, ScenarioError } from "./fault-file.ts";
import type { FaultEffect, FaultRule } from "./faults.ts";
import { aCloud, ask, createParameters, settled, virtualTime, type VirtualTime } from "./fixture.ts";

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
const create = (): Promise<CloudAnswer> => run("CreateNetworkInterface", createParameters);
const set = (effect: FaultEffect, trigger: Partial<FaultRule> = {}): void =>
  cloud.setFaults([{ name: "f", api: "*", ...trigger, effect }]);
const secondaries = (): number => cloud.enis().filter((eni) => eni.type === "Secondary").length;
async function inUse(): Promise<{ NetworkInterfaceId: string; InstanceId: string }> {
  const { body } = await create();
  const on = { NetworkInterfaceId: String(body["NetworkInterfaceId"]), InstanceId: "i-a" };
  await run("AttachNetworkInterface", on);
  await time.tickAsync(3_000);
  return on;
}
const statusOf = (eniId: string): string | undefined => cloud.enis().find((eni) => eni.eniId === eniId)?.status;

describe("each effect", () => {
  it("httpError answers so and does nothing; with afterEffect it does it all the same", async () => {
    set({ type: "httpError", status: 500, code: "InternalError" });
    expect(await create()).toMatchObject({ status: 500, body: { Code: "InternalError" } });
    expect(secondaries()).toBe(0);
    set({ type: "httpError", status: 503, code: "ServiceUnavailable", afterEffect: true });
    expect(await create()).toMatchObject({ status: 503 });
    expect(secondaries()).toBe(1);
  });

  it("html and reset do nothing and fail as the SDK fails", async () => {
    set({ type: "html", status: 502 });
    await expect(create()).rejects.toBeInstanceOf(SyntaxError);
    set({ type: "reset" });
    await expect(create()).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(secondaries()).toBe(0);
    expect(cloud.report()).toMatchObject({ allocating: 0, faults: { f: 1 } });
  });

  it("timeoutAfterEffect works and fails after the client's 20 s", async () => {
    set({ type: "timeoutAfterEffect" });
    const startedAt = Date.now();
    await expect(create()).rejects.toMatchObject({ name: "RequestTimeoutError" });
    expect(Date.now() - startedAt).toBeGreaterThan(20_000);
    expect(secondaries()).toBe(1);
  });

  it("attachFallsBack is accepted and ends Available", async () => {
    set({ type: "attachFallsBack" }, { first: 1, api: "AttachNetworkInterface" });
    const { NetworkInterfaceId } = await inUse();
    expect(statusOf(NetworkInterfaceId)).toBe("Available");
    expect(cloud.report().allocating).toBe(1);
    expect(cloud.report().instances["i-a"]).toEqual({ adapters: 1, members: 0 });
  });

  it("stuckDetaching ends by itself after its time", async () => {
    const on = await inUse();
    set({ type: "stuckDetaching", seconds: 30, repeatHelps: true });
    await run("DetachNetworkInterface", on);
    await time.tickAsync(29_000);
    expect(statusOf(on.NetworkInterfaceId)).toBe("Detaching");
    await time.tickAsync(1_000);
    expect(statusOf(on.NetworkInterfaceId)).toBe("Available");
  });

  it("stuckDetaching for ever ends when Detach is called again, unless that does not help", async () => {
    const on = await inUse();
    set({ type: "stuckDetaching", seconds: Infinity, repeatHelps: true });
    await run("DetachNetworkInterface", on);
    await time.tickAsync(3_600_000);
    expect(statusOf(on.NetworkInterfaceId)).toBe("Detaching");
    await run("DetachNetworkInterface", on);
    await time.tickAsync(2_000);
    expect(statusOf(on.NetworkInterfaceId)).toBe("Available");

    const hopeless = await inUse();
    set({ type: "stuckDetaching", seconds: Infinity, repeatHelps: false });
    await run("DetachNetworkInterface", hopeless);
    await run("DetachNetworkInterface", hopeless);
    await time.tickAsync(3_600_000);
    expect(statusOf(hopeless.NetworkInterfaceId)).toBe("Detaching");
  });

  it("throttleBurst closes that API only, for its time", async () => {
    set({ type: "throttleBurst", seconds: 10 }, { first: 1, api: "CreateNetworkInterface" });
    expect(await create()).toMatchObject({ body: { Code: "Throttling.User" } });
    expect(await create()).toMatchObject({ body: { Code: "Throttling.User" } });
    expect(await run("DescribeVSwitches")).toMatchObject({ status: 200 });
    await time.tickAsync(10_000);
    expect(await create()).toMatchObject({ status: 200 });
  });

  it("slow delays the answer, not the effect", async () => {
    set({ type: "slow", ms: 2_000 });
    const answer = create();
    await time.tickAsync(500);
    expect(secondaries()).toBe(1);
    const startedAt = Date.now();
    await answer;
    expect(Date.now() - startedAt).toBeGreaterThan(1_500);
  });

  it("lateReads show the past", async () => {
    set({ type: "lateReads", ms: 3_000 });
    const { body } = await create();
    const eniId = String(body["NetworkInterfaceId"]);
    expect(await run("DescribeNetworkInterfaceAttribute", { NetworkInterfaceId: eniId })).toMatchObject({
      status: 404,
    });
    await time.tickAsync(3_000);
    expect(await run("DescribeNetworkInterfaceAttribute", { NetworkInterfaceId: eniId })).toMatchObject({
      status: 200,
    });
  });

  it("exhaustedVSwitch refuses for its time and shows no free address", async () => {
    set({ type: "exhaustedVSwitch", vSwitchId: "vsw-a" }, { between: { fromSeconds: 0, toSeconds: 20 } });
    expect(await create()).toMatchObject({ body: { Code: "InvalidVSwitchId.IpNotEnough" } });
    expect((await run("DescribeVSwitchAttributes", { VSwitchId: "vsw-a" })).body["AvailableIpAddressCount"]).toBe(0);
    expect((await run("DescribeVSwitchAttributes", { VSwitchId: "vsw-b" })).body["AvailableIpAddressCount"]).toBe(4091);
    await time.tickAsync(20_000);
    expect(await create()).toMatchObject({ status: 200 });
  });
});

describe("when a rule fires", () => {
  const failing = async (count: number): Promise<readonly number[]> => {
    const statuses: number[] = [];
    for (let index = 1; index <= count; index++) {
      if ((await run("DescribeVSwitches")).status !== 200) statuses.push(index);
    }
    return statuses;
  };
  const effect = { type: "httpError", status: 500, code: "InternalError" } as const;

  it("everyNth", async () => {
    set(effect, { everyNth: 3 });
    expect(await failing(7)).toEqual([3, 6]);
  });
  it("first", async () => {
    set(effect, { first: 2 });
    expect(await failing(5)).toEqual([1, 2]);
  });
  it("probability", async () => {
    set(effect, { probability: 0.25 });
    const count = (await failing(200)).length;
    expect(count).toBeGreaterThan(30);
    expect(count).toBeLessThan(70);
  });
  it("only for its API", async () => {
    set(effect, { api: ["CreateNetworkInterface", "AttachNetworkInterface"] });
    expect(await failing(3)).toEqual([]);
    expect(await create()).toMatchObject({ status: 500 });
  });
});

describe("scenario files", () => {
  const folder = new URL("scenarios/", import.meta.url);

  it.each(readdirSync(folder))("%s is valid", (file) => {
    expect(parseFaults(readFileSync(new URL(file, folder), "utf8"), file).length).toBeGreaterThan(0);
  });

  it("name every bad rule with its remedy", () => {
    const text = `
faults:
  - { name: a, api: CreateNetworkInterfaces, effect: reset }
  - { name: b, api: "*", probability: 5, effect: reset }
  - { name: c, api: "*", effect: { slow: { seconds: 1 } } }
  - { name: d, api: "*", efect: reset }
  - { name: e, api: "*", probability: 0.5, effect: { quotaShare: { share: 0.5 } } }
  - { name: f, api: "*", between: { fromSeconds: 9, toSeconds: 3 }, effect: explode }
  - just text
`;
    const problemsOf = (): readonly string[] => {
      try {
        parseFaults(text, "bad.yaml");
      } catch (error: unknown) {
        if (error instanceof ScenarioError) return error.problems;
      }
      return [];
    };
    const problems = problemsOf();
    expect(problems).toEqual([
      expect.stringMatching(/^rule 1 \(a\): `api` must be .*CreateNetworkInterface/),
      expect.stringMatching(/^rule 2 \(b\): `probability` must be a number from 0 to 1/),
      expect.stringMatching(/^rule 3 \(c\): write the effect as `slow: { ms: 2000 }`/),
      expect.stringMatching(/^rule 4 \(d\): unknown key `efect`/),
      expect.stringMatching(/^rule 4 \(d\): `effect` must be exactly one of: httpError, /),
      expect.stringMatching(/^rule 5 \(e\): quotaShare holds for a time/),
      expect.stringMatching(/^rule 6 \(f\): `effect` must be exactly one of/),
      expect.stringMatching(/^rule 6 \(f\): `between` must be/),
      expect.stringMatching(/^rule 7: write a mapping/),
    ]);
  });

  it.each(["", "faults: {}", "faults: [", "- a"])("that are no scenario (%j) are refused", (text) => {
    expect(() => parseFaults(text, "bad.yaml")).toThrow(/^bad\.yaml: 1 problem/);
  });

  it("give every effect that README.md shows", () => {
    const readme = readFileSync(new URL("README.md", import.meta.url), "utf8");
    const shown = [...readme.matchAll(/^\| `([a-zA-Z]+(?:: \{[^}]*\})?)`/gm)].flatMap(([, effect]) => effect ?? []);
    const effects = shown.filter((text) => !/^(probability|everyNth|first|between|api)/.test(text));
    expect(effects.length).toBeGreaterThanOrEqual(13);
    for (const effect of effects) {
      const body = effect.includes(":") ? `{ ${effect} }` : effect;
      expect(parseFaults(`faults: [{ api: "*", effect: ${body} }]`, effect)).toHaveLength(1);
    }
  });
});
