import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Registry } from "prom-client";
import { FencedError } from "../runtime/errors.ts";
import { apiNames, CallFailed, type ApiName, type CallParameters } from "./call.ts";
import { createCloud, type Cloud, type CloudOptions } from "./client.ts";
import { SettableLevel } from "./fixtures/settable-level.ts";
import { installVirtualTime, silentLogger, type VirtualTime } from "./fixtures/virtual-time.ts";

const signal = new AbortController().signal;
const options = { priority: "bind", signal } as const;
const request = {
  vSwitchId: "vsw-1",
  securityGroupIds: ["sg-1", "sg-2"],
  clientToken: "token",
  tags: { b: "2", a: "1" },
  deleteOnRelease: true,
  ipv6Count: 0,
};

describe("the cloud client", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime(5_000);
  });
  afterEach(() => time.timers.uninstall());

  type Answer = object | Error;
  const world = (answers: Partial<Record<ApiName, Answer[]>> = {}, overrides: Partial<CloudOptions> = {}) => {
    const calls: { api: ApiName; parameters: CallParameters }[] = [];
    const registry = new Registry();
    const cloud = createCloud({
      call: async (api, parameters, _signal, beforeSend) => {
        // A connection is made first.
        await Promise.resolve();
        beforeSend?.();
        calls.push({ api, parameters });
        await time.clock.sleep(100);
        const answer = answers[api]?.shift() ?? {
          NetworkInterfaceId: "eni-1",
          NetworkInterfaceSets: { NetworkInterfaceSet: [] },
          VSwitches: { VSwitch: [] },
        };
        if (answer instanceof Error) throw answer;
        return answer;
      },
      clock: time.clock,
      random: () => 0.5,
      logger: silentLogger,
      registry,
      regionId: "cn-hangzhou",
      vpcId: "vpc-1",
      fence: { assertHeld: () => undefined },
      degradation: new SettableLevel(),
      ...overrides,
    });
    return { cloud, calls, registry };
  };
  const settle = async <T>(work: Promise<T>): Promise<T> => {
    const [result] = await Promise.allSettled([work, time.timers.tickAsync(20_000)]);
    if (result.status === "rejected") throw result.reason;
    return result.value;
  };
  const refused = (code: string, status = 400) => new CallFailed({ kind: "answered", code, message: "m", status });
  const noAnswer = () => new CallFailed({ kind: "timeout", code: "Timeout", message: "m" });

  const place = { eniId: "eni-1", instanceId: "i-1" };
  const methods: Readonly<
    Record<keyof Cloud["enis"], { api: ApiName; run: (cloud: Cloud) => Promise<unknown>; mutates: boolean }>
  > = {
    createEni: { api: "CreateNetworkInterface", run: ({ enis }) => enis.createEni(request, options), mutates: true },
    attachEni: { api: "AttachNetworkInterface", run: ({ enis }) => enis.attachEni(place, options), mutates: true },
    detachEni: { api: "DetachNetworkInterface", run: ({ enis }) => enis.detachEni(place, options), mutates: true },
    deleteEni: {
      api: "DeleteNetworkInterface",
      run: ({ enis }) => enis.deleteEni({ eniId: "eni-1" }, options),
      mutates: true,
    },
    listEnis: { api: "DescribeNetworkInterfaces", run: ({ enis }) => enis.listEnis({}, options), mutates: false },
  };

  it("has no method beside those below", () => {
    expect(Object.keys(world().cloud.enis).sort()).toEqual(Object.keys(methods).sort());
  });

  it.each(Object.entries(methods))("%s waits for the quota of its API", async (_, { api, run }) => {
    const { cloud, calls } = world({}, { callsPerMinute: { [api]: 1 } });
    await settle(run(cloud));
    const second = run(cloud);
    await time.timers.tickAsync(20_000);
    expect(calls).toHaveLength(1);
    await time.timers.tickAsync(60_000);
    await second;
    expect(calls.map((call) => call.api)).toEqual([api, api]);
  });

  it("looks and reads vSwitches through the quota as well", async () => {
    const none = Object.fromEntries(apiNames.map((api) => [api, 1]));
    const { cloud, calls } = world({}, { callsPerMinute: none });
    cloud.start(signal);
    cloud.observer.watch("eni-1", { operation: "look", startedAtMs: 0, priority: "bind" });
    await Promise.all([cloud.vSwitches.get(["vsw-1"], signal), time.timers.tickAsync(1_000)]);
    const second = cloud.vSwitches.get(["vsw-2"], signal);
    await time.timers.tickAsync(30_000);
    const count = (api: ApiName) => calls.filter((call) => call.api === api).length;
    expect(count("DescribeVSwitches")).toBe(1);
    expect(count("DescribeNetworkInterfaces")).toBe(1);
    cloud.stop();
    await expect(second).resolves.toMatchObject([{ vSwitchId: "vsw-2", error: { reason: "Stopping" } }]);
  });

  const moments = [
    { moment: "before it is decided", heldFor: 0 },
    { moment: "while its connection is made", heldFor: 1 },
  ];
  it.each(moments.flatMap((row) => Object.entries(methods).map(([name, method]) => ({ ...row, ...method, name }))))(
    "$name does not change anything after the lease was lost $moment",
    async ({ run, mutates, heldFor }) => {
      let asked = 0;
      const fence = {
        assertHeld: () => {
          asked += 1;
          if (asked > heldFor) throw new FencedError();
        },
      };
      const { cloud, calls } = world({}, { fence });
      const outcome = settle(run(cloud));
      await (mutates ? expect(outcome).rejects.toBeInstanceOf(FencedError) : outcome);
      expect(calls).toHaveLength(mutates ? 0 : 1);
    },
  );

  const repetition: readonly { name: keyof Cloud["enis"]; failure: string; given: () => CallFailed; want: number }[] = [
    { name: "createEni", failure: "no answer", given: noAnswer, want: 3 },
    { name: "createEni", failure: "InternalError", given: () => refused("InternalError", 500), want: 3 },
    { name: "createEni", failure: "full vSwitch", given: () => refused("InvalidVSwitchId.IpNotEnough", 403), want: 1 },
    { name: "listEnis", failure: "no answer", given: noAnswer, want: 3 },
    { name: "attachEni", failure: "no answer", given: noAnswer, want: 1 },
    { name: "detachEni", failure: "no answer", given: noAnswer, want: 1 },
    { name: "deleteEni", failure: "InternalError", given: () => refused("InternalError", 500), want: 1 },
  ];
  it.each(repetition)("$name is sent $want times at most after $failure", async ({ name, given, want }) => {
    const { api, run } = methods[name];
    const { cloud, calls } = world({ [api]: Array.from({ length: 5 }, given) });
    const error: unknown = await settle(run(cloud)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ cloud: { api, code: given().code } });
    expect(calls).toHaveLength(want);
  });

  it("repeats a create with the same token and equal parameters", async () => {
    const { cloud, calls } = world({ CreateNetworkInterface: [noAnswer()] });
    await settle(cloud.enis.createEni(request, options));
    expect(calls).toHaveLength(2);
    expect(calls[1]).toEqual(calls[0]);
    expect(calls[0]?.parameters).toEqual({
      RegionId: "cn-hangzhou",
      VSwitchId: "vsw-1",
      SecurityGroupIds: ["sg-1", "sg-2"],
      InstanceType: "Secondary",
      Description: "interface create by terway",
      DeleteOnRelease: true,
      SourceDestCheck: false,
      Tag: [
        { Key: "a", Value: "1" },
        { Key: "b", Value: "2" },
      ],
      ClientToken: "token",
    });
  });

  it("tells of each try that got no answer, although a repetition got one", async () => {
    const { cloud } = world({ CreateNetworkInterface: [noAnswer(), noAnswer()] });
    let unanswered = 0;
    await settle(cloud.enis.createEni(request, { ...options, onUnanswered: () => (unanswered += 1) }));
    expect(unanswered).toBe(2);
  });

  it("repeats a throttled attach in the next minute, for nothing has happened", async () => {
    const { cloud, calls } = world({ AttachNetworkInterface: [refused("Throttling.User")] });
    const attached = cloud.enis.attachEni(place, options);
    await time.timers.tickAsync(50_000);
    expect(calls).toHaveLength(1);
    await time.timers.tickAsync(10_000);
    await attached;
    expect(calls).toHaveLength(2);
  });

  it.each(["InvalidEniId.NotFound", "InvalidEcsId.NotFound", "InvalidInstanceId.NotFound"])(
    "takes %s of a detach for success",
    async (code) => {
      const { cloud } = world({ DetachNetworkInterface: [refused(code, 404)] });
      await settle(cloud.enis.detachEni(place, options));
    },
  );

  it("takes a missing interface for success when deleting, and for an error when attaching", async () => {
    const gone = () => [refused("InvalidEniId.NotFound", 404)];
    const { cloud } = world({ DeleteNetworkInterface: gone(), AttachNetworkInterface: gone() });
    await settle(cloud.enis.deleteEni({ eniId: "eni-1" }, options));
    await expect(settle(cloud.enis.attachEni(place, options))).rejects.toMatchObject({ reason: "InterfaceNotFound" });
  });

  it("ends a call at its signal, while it waits for the answer", async () => {
    const { cloud } = world();
    const aborts = new AbortController();
    const ended = expect(
      cloud.enis.attachEni(place, { priority: "bind", signal: aborts.signal }),
    ).rejects.toMatchObject({
      name: "AbortError",
    });
    await time.timers.tickAsync(50);
    aborts.abort();
    await ended;
  });

  it("lists all pages", async () => {
    const page = (ids: string[], token: string) => ({
      NextToken: token,
      NetworkInterfaceSets: { NetworkInterfaceSet: ids.map((id) => ({ NetworkInterfaceId: id, Status: "Available" })) },
    });
    const { cloud, calls } = world({
      DescribeNetworkInterfaces: [page(["a", "b"], "t2"), page([], "t3"), page(["c"], "")],
    });
    const enis = await settle(cloud.enis.listEnis({ tags: { k: "v" }, type: "Secondary", vpcId: "vpc-1" }, options));
    expect(enis.map((eni) => eni.eniId)).toEqual(["a", "b", "c"]);
    expect(calls[1]?.parameters).toEqual({
      RegionId: "cn-hangzhou",
      VpcId: "vpc-1",
      Type: "Secondary",
      Tag: [{ Key: "k", Value: "v" }],
      MaxResults: 500,
      NextToken: "t2",
    });
  });

  it("translates an interface, empty text being absence", async () => {
    const wire = {
      NetworkInterfaceId: "eni-1",
      Status: "InUse",
      Type: "Member",
      InstanceId: "",
      VpcId: "vpc-1",
      VSwitchId: "vsw-1",
      ZoneId: "z",
      MacAddress: "00:16:3e:00:00:01",
      PrivateIpAddress: "10.0.0.9",
      CreationTime: "2026-11-20T01:00:00Z",
      SecurityGroupIds: { SecurityGroupId: ["sg-1"] },
      Attachment: { InstanceId: "i-1", DeviceIndex: 7, TrunkNetworkInterfaceId: "eni-t", NetworkCardIndex: 0 },
      Ipv6Sets: { Ipv6Set: [{ Ipv6Address: "2408::1" }] },
      Tags: { Tag: [{ TagKey: "a", TagValue: "b" }, { TagKey: "empty" }] },
    };
    const { cloud } = world({
      DescribeNetworkInterfaces: [
        { NetworkInterfaceSets: { NetworkInterfaceSet: [wire, { NetworkInterfaceId: "eni-2", Status: "Creating" }] } },
      ],
    });
    const [member, other] = await settle(cloud.enis.listEnis({}, options));
    expect(member).toEqual({
      eniId: "eni-1",
      status: "InUse",
      type: "Member",
      macAddress: "00:16:3e:00:00:01",
      vpcId: "vpc-1",
      vSwitchId: "vsw-1",
      zoneId: "z",
      instanceId: "i-1",
      trunkEniId: "eni-t",
      deviceIndex: 7,
      networkCardIndex: 0,
      primaryIpv4: "10.0.0.9",
      ipv6s: ["2408::1"],
      securityGroupIds: ["sg-1"],
      creationTime: "2026-11-20T01:00:00Z",
      tags: { a: "b", empty: "" },
    });
    expect(other).toEqual({
      eniId: "eni-2",
      status: "Unknown",
      type: "Secondary",
      macAddress: "",
      vSwitchId: "",
      zoneId: "",
      primaryIpv4: "",
      ipv6s: [],
      securityGroupIds: [],
      tags: {},
    });
  });

  it("reports what a call waited and took, and measures it under the published names", async () => {
    const { cloud, registry } = world({ AttachNetworkInterface: [refused("Strange.Code")] });
    const timings: object[] = [];
    await settle(
      cloud.enis.attachEni(place, { ...options, onTiming: (timing) => timings.push(timing) }).catch(() => undefined),
    );
    expect(timings).toMatchObject([{ api: "AttachNetworkInterface", callMs: 100 }]);
    const text = await registry.metrics();
    expect(text).toContain('aliyun_openapi_latency_count{api="AttachNetworkInterface",error="true"} 1');
    expect(text).toContain('aliyun_openapi_latency_bucket{le="44800",api="AttachNetworkInterface",error="true"} 1');
    expect(text).toContain('rate_limiter_latency_bucket{le="200",api="AttachNetworkInterface"} 1');
    expect(text).toContain('cloud_unknown_error_codes_total{code="Strange.Code"} 1');
    expect(text).toContain('cloud_limiter_share{api="AttachNetworkInterface"} 1');
  });
});
