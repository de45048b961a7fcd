/**
 * A crash at every await: short stories, in each of which the leader dies at every moment at which a request leaves or an
 * answer arrives, one moment per run. Whatever the moment, the world must come to the same rest.
 */
import type { CustomResourceDefinition } from "../../kube/crd-manifests.ts";
import { Kube } from "../../e2e/kube.ts";
import { PublishedCluster } from "../../e2e/published-cluster.ts";
import { namespace, runEpisode, type EpisodeResult } from "./episode.ts";
import { apply } from "../../sandbox/apply.ts";
import { aNamespace } from "../../e2e/manifests.ts";
import type { Happening } from "./schedule.ts";
import { plainSetting, type Setting } from "./setting.ts";
import type { SimulatedWorld } from "./world.ts";

export interface Story {
  readonly name: string;
  /** What happens, at milliseconds from the start. */
  readonly happenings: readonly (readonly [atMs: number, what: Happening])[];
  /** StatefulSets with one pod each, of fixed addresses, are there from the start. */
  readonly hasWorkloads?: boolean;
  /** @default plainSetting */
  readonly setting?: Setting;
  readonly before?: (world: SimulatedWorld) => Promise<void>;
}

const bare: Setting = { ...plainSetting, machines: "bare" };
const forGood = 3_600_000;

export const stories: readonly Story[] = [
  { name: "elastic pod", happenings: [[0, { type: "createPod", plane: "elastic", slot: 0 }]] },
  { name: "exclusive pod", happenings: [[0, { type: "createPod", plane: "exclusive", slot: 0 }]] },
  { name: "pod with two interfaces", happenings: [[0, { type: "createPod", plane: "double", slot: 0 }]] },
  {
    name: "elastic pod that goes",
    happenings: [
      [0, { type: "createPod", plane: "elastic", slot: 0 }],
      [25_000, { type: "deletePod", pick: 0, isForced: false }],
    ],
  },
  {
    name: "pod that goes while its interface is made",
    happenings: [
      [0, { type: "createPod", plane: "double", slot: 0 }],
      [900, { type: "deletePod", pick: 0, isForced: true }],
    ],
  },
  {
    name: "fixed addresses that move on",
    hasWorkloads: true,
    happenings: [[25_000, { type: "deletePod", pick: 0, isForced: false }]],
  },
  {
    name: "fixed addresses that are kept",
    hasWorkloads: true,
    happenings: [[25_000, { type: "scale", set: "kept", replicas: 0 }]],
  },
  {
    name: "exhausted vSwitch",
    happenings: [
      [0, { type: "exhaust", vSwitchId: "vsw-hz-h-1", free: 0, forMs: forGood }],
      [0, { type: "exhaust", vSwitchId: "vsw-hz-i-1", free: 1, forMs: 9_000 }],
      [10, { type: "createPod", plane: "elastic", slot: 0 }],
      [10, { type: "createPod", plane: "elastic", slot: 1 }],
    ],
  },
  {
    name: "lost machine",
    hasWorkloads: true,
    happenings: [
      [0, { type: "createPod", plane: "elastic", slot: 0 }],
      [25_000, { type: "loseNode", pick: 0, loses: "both", forMs: forGood }],
    ],
  },
  {
    name: "bare machines that get their trunks, and a pod on one",
    setting: bare,
    happenings: [[0, { type: "createPod", plane: "elastic", slot: 0 }]],
  },
  {
    name: "trunk that somebody deletes",
    setting: bare,
    happenings: [[30_000, { type: "takeTrunk", pick: 0, deletes: true }]],
  },
  { name: "interface that nobody knows", happenings: [[0, { type: "orphan" }]] },
  { name: "records of the published program", happenings: [], before: publishedRecords },
];

/** The result of a story when the leader dies at that moment; without a moment, of the story as it is. */
export async function tell(
  story: Story,
  crds: readonly CustomResourceDefinition[],
  crashAt: number | undefined,
): Promise<EpisodeResult & { readonly moments: number; readonly crashedAt: string }> {
  let moments = 0;
  let crashedAt = "";
  const result = await runEpisode({
    seed: 1,
    crds,
    replicas: 1,
    hasWorkloads: story.hasWorkloads ?? false,
    setting: story.setting ?? plainSetting,
    troubledMs: Math.max(0, ...story.happenings.map(([atMs]) => atMs)) + 12_000,
    restLimitMs: 60_000,
    schedule: story.happenings.map(([atMs, what]) => ({ atMs, what })),
    ...(story.before && { before: story.before }),
    onMoment: (moment, machine, world) => {
      // Leases, and watches that go on, belong to every moment of every story.
      if (moment.request.includes("/leases") || moment.request.startsWith("WATCH")) return;
      moments += 1;
      if (moments !== crashAt) return;
      crashedAt = `${moment.side} ${moment.request}`;
      world.kill(world.replicas.findIndex((replica) => replica.machine === machine));
    },
  });
  return { ...result, moments, crashedAt };
}

/** A PodENI without NetworkInterface for a pod that runs, one that is to go, and one that is kept; one of them legacy. */
async function publishedRecords(world: SimulatedWorld): Promise<void> {
  await apply(world.admin, aNamespace(namespace));
  const cluster = new PublishedCluster({ kube: new Kube(world.admin), sandbox: world }, namespace);
  const [node] = world.nodes;
  if (node === undefined) throw new Error("there is no node");
  const running = await cluster.eni(node, { isAttached: true });
  const going = await cluster.eni(node, { isAttached: true });
  const kept = await cluster.eni(node, { isAttached: false });
  const podUid = await cluster.pod("running", node);
  await cluster.record({ name: "running", eni: running, phase: "Bind", podUid, finalizer: "pod-eni" });
  await cluster.record({ name: "going", eni: going, phase: "Bind" });
  await cluster.record({ name: "kept", eni: kept, phase: "Unbind", isFixed: true });
}
