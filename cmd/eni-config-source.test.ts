import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { installVirtualTime, type VirtualTime } from "../cloud/fixtures/virtual-time.ts";
import { TransientError } from "../runtime/errors.ts";
import { EniConfigSource } from "./eni-config-source.ts";

const never = new AbortController().signal;

describe("the source of eni-config", () => {
  let time: VirtualTime;
  beforeEach(() => {
    time = installVirtualTime();
  });
  afterEach(() => time.timers.uninstall());

  /** ConfigMaps of kube-system by name: the text of `eni_conf`, or none. */
  const world = (texts: Record<string, string | undefined>) => {
    const reads: string[] = [];
    const state = { isDown: false };
    const source = new EniConfigSource({
      getConfigMap: (_, name) => {
        reads.push(name);
        if (state.isDown) return Promise.reject(new TransientError("Unreachable", "no answer"));
        const text = texts[name];
        if (!(name in texts)) return Promise.resolve(undefined);
        return Promise.resolve(text === undefined ? {} : { data: { eni_conf: text } });
      },
      clock: time.clock,
    });
    return { source, reads, texts, state };
  };

  it("merges a machine's own over the cluster's, and reads each once in ten seconds", async () => {
    const { source, reads } = world({
      "eni-config": '{"max_pool_size":5,"min_pool_size":1}',
      own: '{"max_pool_size":9}',
    });
    for (let count = 0; count < 500; count++) {
      expect(await source.getForNode("own", never)).toMatchObject({
        type: "found",
        config: { maxPoolSize: 9, minPoolSize: 1 },
      });
    }
    expect(await source.getForNode("", never)).toMatchObject({ config: { maxPoolSize: 5 } });
    expect(reads).toEqual(["eni-config", "own"]);
    await time.timers.tickAsync(10_000);
    await source.getForNode("own", never);
    expect(reads).toHaveLength(4);
  });

  it("merges for a pod as for its machine, minds only what pods use, and sees at once what was missing", async () => {
    const { source, texts } = world({ "eni-config": '{"vswitches":{"zone-a":["vsw-1"]},"max_pool_size":"many"}' });
    expect(await source.getForPodOn("own", never)).toEqual({ type: "missing", configMap: "own" });
    texts["own"] = '{"vswitches":{"zone-a":["vsw-own"]},"security_group":"sg-own"}';
    expect(await source.getForPodOn("own", never)).toEqual({
      type: "found",
      config: { vSwitchIds: ["vsw-own"], securityGroupIds: ["sg-own"], ipStack: "ipv4" },
    });
    expect(await source.getForPodOn("", never)).toMatchObject({ config: { vSwitchIds: ["vsw-1"] } });
  });

  it.each<{ name: string; texts: Record<string, string | undefined>; own: string; want: object }>([
    { name: "there is none", texts: {}, own: "", want: { type: "missing", configMap: "eni-config" } },
    {
      name: "its own is not there",
      texts: { "eni-config": "{}" },
      own: "x",
      want: { type: "missing", configMap: "x" },
    },
    {
      name: "it lacks the key",
      texts: { "eni-config": undefined },
      own: "",
      want: { type: "faulty", message: "eni-config: eni_conf is empty" },
    },
    {
      name: "its own is wrong",
      texts: { "eni-config": "{}", x: '{"max_pool_size":-1}' },
      own: "x",
      want: { type: "faulty", message: expect.stringMatching(/^x: .*max_pool_size/) },
    },
  ])("says what a machine lacks: $name", async ({ texts, own, want }) => {
    expect(await world(texts).source.getForNode(own, never)).toEqual(want);
  });

  it("asks once for what is missing, for 500 machines; but the next pod sees what was just made", async () => {
    const { source, reads, texts } = world({});
    for (let count = 0; count < 500; count++) await source.getForNode("", never);
    expect(reads).toHaveLength(1);
    texts["eni-config"] = "{}";
    expect(await source.get(never)).toMatchObject({ ipStack: "ipv4" });
  });

  it("tells of a change within ten seconds, also of what was made or went, and of nothing else", async () => {
    const { source, texts, state } = world({ "eni-config": "{}" });
    await source.getForNode("own", never);
    let told = 0;
    source.onChanged(() => (told += 1));
    const stopped = new AbortController();
    const watching = source.watch(stopped.signal);
    const pass = async () => {
      await time.timers.tickAsync(10_000);
      return told;
    };
    expect(await pass()).toBe(0);
    texts["eni-config"] = '{"max_pool_size":1}';
    expect(await pass()).toBe(1);
    expect(await pass()).toBe(1);
    texts["own"] = "{}";
    expect(await pass()).toBe(2);
    delete texts["own"];
    state.isDown = true;
    expect(await pass()).toBe(2);
    state.isDown = false;
    expect(await pass()).toBe(3);
    stopped.abort();
    await expect(watching).rejects.toMatchObject({ name: "AbortError" });
  });

  it("tells also of a change that somebody saw between two looks", async () => {
    const { source, texts } = world({ "eni-config": "{}" });
    await source.getForNode("own", never);
    let told = 0;
    source.onChanged(() => (told += 1));
    const stopped = new AbortController();
    const watching = source.watch(stopped.signal);
    texts["own"] = "{}";
    expect(await source.getForPodOn("own", never)).toMatchObject({ type: "found" });
    expect(told).toBe(0);
    await time.timers.tickAsync(10_000);
    expect(told).toBe(1);
    stopped.abort();
    await expect(watching).rejects.toMatchObject({ name: "AbortError" });
  });
});
