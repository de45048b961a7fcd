/** Events of the controllers that give pods their interfaces: published reasons, actions and objects. */
import { describe, expect, it } from "@jest/globals";
import { TerminalError } from "../runtime/errors.ts";
import { World, type Event } from "../test/fixtures/controlplane-world.ts";

interface Row {
  readonly name: string;
  /** What happens in the world, until everything is said. */
  readonly story: (world: World, until: (isReached: () => boolean) => Promise<void>) => Promise<void>;
  /** `type reason action regarding/related`, each once, in the order of their first appearance. */
  readonly want: readonly string[];
}

const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };

const rows: readonly Row[] = [
  {
    name: "a pod that is bound",
    story: async (world, until) => {
      world.createPod("node-1", [{}]);
      await until(() => world.isBound());
    },
    want: ["Normal CreateENISucceed CreateENI PodENI/Pod", "Normal AttachENISucceed AttachENI PodENI/Pod"],
  },
  {
    name: "a fixed address that is taken off its node",
    story: async (world, until) => {
      world.createPod("node-1", [fixed]);
      await until(() => world.isBound());
      world.events.length = 0;
      world.deletePod();
      await until(() => world.phase() === "Unbind");
    },
    want: ["Normal DetachENISucceed DetachENI PodENI/"],
  },
  {
    name: "a pod whose annotation is no JSON",
    story: async (world, until) => {
      const annotations = { "k8s.aliyun.com/pod-eni": "true", "k8s.aliyun.com/pod-networks": "{" };
      world.pods.create({
        metadata: { name: "web-0", namespace: "default", annotations },
        spec: { nodeName: "node-1" },
      });
      await until(() => world.events.length > 0);
    },
    want: ["Warning PodCreateFailed CreatePod Pod/"],
  },
  {
    name: "a pod on a node that does not exist",
    story: async (world, until) => {
      world.createPod("node-x", [{}]);
      await until(() => world.events.length > 0);
    },
    want: ["Warning PodCreateFailed CreatePod Pod/"],
  },
  {
    name: "an interface that cannot be made",
    story: async (world, until) => {
      world.cloud.setFree("vsw-1", 0);
      world.createPod("node-1", [{}]);
      await until(() => world.events.length >= 2);
    },
    want: ["Warning CreateENIFailed CreateENI Pod/PodENI", "Warning CreateENIFailed CreateENI PodENI/Pod"],
  },
  {
    name: "an attach that comes to nothing",
    story: async (world, until) => {
      world.cloud.faults = { fallsBack: () => true };
      world.createPod("node-1", [{}]);
      await until(() => world.events.some(({ reason }) => reason === "AttachENIFailed"));
    },
    want: [
      "Normal CreateENISucceed CreateENI PodENI/Pod",
      "Warning AttachENIFailed AttachENI Pod/NetworkInterface",
      "Warning AttachENIFailed AttachENI Pod/PodENI",
      "Warning AttachENIFailed AttachENI PodENI/Pod",
    ],
  },
  {
    name: "a detach that is refused",
    story: async (world, until) => {
      world.createPod("node-1", [fixed]);
      await until(() => world.isBound());
      world.events.length = 0;
      world.cloud.detach = refuse;
      world.deletePod();
      await until(() => world.events.length > 0);
    },
    want: ["Warning DetachENIFailed DetachENI Pod/NetworkInterface"],
  },
  {
    name: "a deletion that is refused",
    story: async (world, until) => {
      world.createPod("node-1", [{}]);
      await until(() => world.isBound());
      world.events.length = 0;
      world.cloud.delete = refuse;
      world.deletePod();
      await until(() => world.events.length > 0);
    },
    want: ["Warning DeleteENIFailed DeleteENI Pod/NetworkInterface"],
  },
];

/** What a missing permission looks like. */
function refuse(): never {
  throw new TerminalError("AccessDenied", "the RAM action is not allowed");
}

function inWords({ type, reason, action, regarding, related }: Event): string {
  return `${type} ${reason} ${action} ${regarding.kind}/${related?.kind ?? ""}`;
}

describe("the events of a pod's interfaces", () => {
  it.each(rows)("$name", async ({ story, want }) => {
    const world = new World();
    const process = world.start();
    await story(world, async (isReached) => {
      if (!(await world.clock.runUntil(isReached, 60_000))) throw new Error(JSON.stringify(world.describe()));
      await world.clock.advance(500);
    });
    process.die();
    expect([...new Set(world.events.map(inWords))]).toEqual(want);
  });
});
