/** What happens to the world in one episode: users, operators and trouble, drawn from a seed. */
import type { Random } from "../../runtime/ports.ts";
import { seededRandom } from "../../runtime/random.ts";
import type { FaultRule } from "../../sandbox/alibaba-cloud/index.ts";
import { planeNames, type PlaneName } from "./planes.ts";
import { drawSetting, type Setting } from "./setting.ts";

/** `pick` chooses among what there is at that moment: 0 to below 1. `forMs`: how long it lasts, milliseconds. */
export type Happening =
  | { readonly type: "createPod"; readonly plane: PodPlane; readonly slot: number }
  | { readonly type: "deletePod"; readonly pick: number; readonly isForced: boolean }
  | { readonly type: "finishPod"; readonly pick: number; readonly phase: "Succeeded" | "Failed" }
  | { readonly type: "scale"; readonly set: "kept" | "brief"; readonly replicas: number }
  | { readonly type: "deletePodEni"; readonly pick: number }
  | { readonly type: "deleteNetworkInterface"; readonly pick: number }
  | { readonly type: "touchPodEni"; readonly pick: number }
  /** An interface with our tags that no record knows, as a lost answer leaves it. */
  | { readonly type: "orphan" }
  | {
      readonly type: "loseNode";
      readonly pick: number;
      readonly loses: "node" | "instance" | "both";
      readonly forMs: number;
    }
  /** A machine joins: `pick` chooses the node that it is like. */
  | { readonly type: "joinNode"; readonly pick: number }
  /** A machine goes for good, if another one like it is left. */
  | { readonly type: "retireNode"; readonly pick: number }
  /** Somebody detaches a trunk that carries nobody, and deletes it. */
  | { readonly type: "takeTrunk"; readonly pick: number; readonly deletes: boolean }
  | { readonly type: "changeEniConfig"; readonly to: EniConfigChange; readonly forMs: number }
  | { readonly type: "deleteNodeRecord"; readonly pick: number }
  | {
      readonly type: "changePlane";
      readonly plane: PlaneName;
      readonly vSwitches: readonly string[];
      readonly forMs: number;
    }
  | { readonly type: "deletePlane"; readonly plane: PlaneName; readonly forMs: number }
  | { readonly type: "exhaust"; readonly vSwitchId: string; readonly free: number; readonly forMs: number }
  /** The account may have so many interfaces more, and no others. */
  | { readonly type: "limitInterfaces"; readonly more: number; readonly forMs: number }
  /** The cloud forgets client tokens that were last used so long ago. */
  | { readonly type: "forgetTokens"; readonly olderThanMs: number }
  /** Answers of creations are lost, and at the end of it their tokens are forgotten. */
  | { readonly type: "loseCreations"; readonly probability: number; readonly forMs: number }
  | { readonly type: "kill"; readonly replica: number }
  /** At its next call that changes the cloud, the leader dies or stands still: before it leaves, or before its answer is read. */
  | { readonly type: "strike"; readonly side: "sends" | "receives"; readonly pausesMs: number | "dies" }
  | { readonly type: "stop"; readonly replica: number }
  | { readonly type: "pause"; readonly replica: number; readonly forMs: number }
  | { readonly type: "skewClock"; readonly replica: number; readonly ms: number }
  | { readonly type: "apiServerDown"; readonly forMs: number }
  | { readonly type: "cloudDown"; readonly forMs: number }
  | { readonly type: "cutWatches" }
  | { readonly type: "compact" }
  | { readonly type: "lossy"; readonly before: number; readonly after: number; readonly forMs: number }
  | { readonly type: "slowWrites"; readonly ms: number; readonly forMs: number }
  | { readonly type: "watchLag"; readonly ms: number; readonly forMs: number }
  | { readonly type: "cloudTrouble"; readonly rule: FaultRule; readonly forMs: number };

export type PodPlane = Extract<PlaneName, "elastic" | "double" | "exclusive">;

export type EniConfigChange = "otherTags" | "noVSwitchInZone" | "unknownSecurityGroup" | "none";

export interface Scheduled {
  /** Milliseconds since the start of the episode. */
  readonly atMs: number;
  readonly what: Happening;
}

/** How long things happen, milliseconds; then the world is left alone. */
export const troubledMs = 90_000;
/** One episode in so many has an outage of an hour. */
const episodesPerLongOutage = 60;
const longOutageMs = 3_600_000;

const troubleKinds = 3;

/** What an episode is to be. */
export interface Plot {
  readonly setting: Setting;
  readonly schedule: readonly Scheduled[];
  /** Milliseconds in which things happen. */
  readonly troubledMs: number;
}

/** The same seed gives the same plot. */
export function drawPlot(seed: number): Plot {
  const random = seededRandom(`${seed}/schedule`);
  const setting = drawSetting(random);
  const outage = Math.floor(random() * episodesPerLongOutage) === 0 ? drawLongOutage(random) : undefined;
  const lastsMs = outage === undefined ? troubledMs : outage.atMs + longOutageMs + troubledMs;
  const schedule = [...drawHappenings(random, setting, lastsMs), ...(outage === undefined ? [] : [outage])];
  return { setting, schedule: schedule.sort((one, other) => one.atMs - other.atMs), troubledMs: lastsMs };
}

function drawLongOutage(random: Random): Scheduled {
  const type = random() < 0.5 ? "apiServerDown" : "cloudDown";
  return { atMs: seconds(random, 10, 60), what: { type, forMs: longOutageMs } };
}

function drawHappenings(random: Random, setting: Setting, lastsMs: number): Scheduled[] {
  const between = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1));
  // Half of what users do comes close together, however long the episode is.
  const at = (): number => Math.floor(random() * (random() < 0.5 ? troubledMs : lastsMs));
  const events: Scheduled[] = [];
  // Each episode has a few kinds of trouble, so that their combinations are met and each gets room.
  const choices = troublesOf(setting);
  const kinds = Array.from({ length: between(0, troubleKinds) }, () => oneOf(random, choices));
  for (let index = 0; index < between(10, 40); index += 1) events.push({ atMs: at(), what: drawWork(random) });
  for (const kind of kinds) {
    for (let index = 0; index < between(1, 5); index += 1) events.push({ atMs: at(), what: kind(random) });
  }
  return events;
}

function troublesOf({ machines, quotas }: Setting): readonly Trouble[] {
  return [
    ...troubles,
    ...(machines === "bare" ? troublesOfMachines : []),
    // The minute of a quota is the machine's own: a clock that is wrong counts in another one.
    ...(quotas === "published" ? [clockTrouble] : []),
  ];
}

function oneOf<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[Math.floor(random() * choices.length)];
  if (chosen === undefined) throw new RangeError("nothing to choose from");
  return chosen;
}

/** By weight: a user creates and deletes more often than all else. */
function drawWork(random: Random): Happening {
  const dice = random();
  const pick = random();
  if (dice < 0.45) {
    return {
      type: "createPod",
      plane: oneOf(random, ["elastic", "elastic", "double", "exclusive"]),
      slot: Math.floor(random() * 10),
    };
  }
  if (dice < 0.7) return { type: "deletePod", pick, isForced: random() < 0.3 };
  if (dice < 0.76) return { type: "finishPod", pick, phase: random() < 0.5 ? "Succeeded" : "Failed" };
  if (dice < 0.9) {
    return { type: "scale", set: random() < 0.5 ? "kept" : "brief", replicas: Math.floor(random() * 4) };
  }
  if (dice < 0.93) return { type: "touchPodEni", pick };
  if (dice < 0.97) return { type: "deletePodEni", pick };
  return { type: "deleteNetworkInterface", pick };
}

const vSwitchIds = ["vsw-hz-h-1", "vsw-hz-i-1", "vsw-hz-h-2"] as const;

const changing = [
  "CreateNetworkInterface",
  "AttachNetworkInterface",
  "DetachNetworkInterface",
  "DeleteNetworkInterface",
] as const;

const seconds = (random: Random, least: number, most: number): number =>
  Math.floor((least + random() * (most - least)) * 1_000);

type Trouble = (random: Random) => Happening;

const troubles: readonly Trouble[] = [
  (random) => ({ type: "kill", replica: Math.floor(random() * 2) }),
  (random) => ({ type: "kill", replica: Math.floor(random() * 2) }),
  (random) => ({ type: "stop", replica: Math.floor(random() * 2) }),
  (random) => ({ type: "pause", replica: Math.floor(random() * 2), forMs: seconds(random, 0.1, 20) }),
  strike,
  strike,
  (random) => ({ type: "apiServerDown", forMs: seconds(random, 0.1, 20) }),
  (random) => ({ type: "cloudDown", forMs: seconds(random, 1, 30) }),
  () => ({ type: "cutWatches" }),
  () => ({ type: "compact" }),
  (random) => ({ type: "lossy", before: random() * 0.3, after: random() * 0.3, forMs: seconds(random, 2, 20) }),
  (random) => ({ type: "slowWrites", ms: seconds(random, 0.1, 5), forMs: seconds(random, 2, 20) }),
  (random) => ({ type: "watchLag", ms: seconds(random, 0.1, 5), forMs: seconds(random, 5, 40) }),
  (random) => ({
    type: "loseNode",
    pick: random(),
    loses: oneOf(random, ["node", "instance", "both"]),
    forMs: seconds(random, 1, 40),
  }),
  (random) => ({
    type: "exhaust",
    vSwitchId: oneOf(random, vSwitchIds),
    free: Math.floor(random() * 3),
    forMs: seconds(random, 5, 40),
  }),
  (random) => ({ type: "joinNode", pick: random() }),
  (random) => ({ type: "retireNode", pick: random() }),
  (random) => ({
    type: "changePlane",
    plane: oneOf(random, planeNames),
    vSwitches: oneOf(random, changedVSwitches),
    forMs: seconds(random, 1, 40),
  }),
  (random) => ({ type: "deletePlane", plane: oneOf(random, planeNames), forMs: seconds(random, 1, 40) }),
  (random) => ({ type: "limitInterfaces", more: Math.floor(random() * 3), forMs: seconds(random, 5, 60) }),
  (random) => ({ type: "forgetTokens", olderThanMs: random() < 0.5 ? 0 : seconds(random, 1, 60) }),
  (random) => ({ type: "loseCreations", probability: 0.3 + 0.7 * random(), forMs: seconds(random, 0.5, 8) }),
  cloudTrouble,
  cloudTrouble,
  cloudTrouble,
];

const changedVSwitches = [["vsw-hz-h-1"], ["vsw-hz-i-1"], ["vsw-hz-h-2", "vsw-hz-i-1"], ["vsw-none"]] as const;

const troublesOfMachines: readonly Trouble[] = [
  (random) => ({ type: "joinNode", pick: random() }),
  (random) => ({ type: "takeTrunk", pick: random(), deletes: random() < 0.5 }),
  (random) => ({ type: "takeTrunk", pick: random(), deletes: random() < 0.5 }),
  (random) => ({ type: "deleteNodeRecord", pick: random() }),
  (random) => ({
    type: "changeEniConfig",
    to: oneOf(random, ["otherTags", "noVSwitchInZone", "unknownSecurityGroup", "none"]),
    forMs: seconds(random, 1, 60),
  }),
];

function clockTrouble(random: Random): Happening {
  return { type: "skewClock", replica: Math.floor(random() * 2), ms: seconds(random, -300, 300) };
}

/** Pauses are longer than the lease as often as not. */
function strike(random: Random): Happening {
  const side = oneOf(random, ["sends", "receives"] as const);
  return { type: "strike", side, pausesMs: random() < 0.4 ? "dies" : seconds(random, 0.5, 14) };
}

function cloudTrouble(random: Random): Happening {
  const probability = 0.1 + random() * 0.5;
  const api = random() < 0.5 ? oneOf(random, changing) : changing;
  const rules: readonly Omit<FaultRule, "name">[] = [
    { api, probability, effect: { type: "httpError", status: 500, code: "InternalError" } },
    { api, probability, effect: { type: "httpError", status: 500, code: "InternalError", afterEffect: true } },
    { api: "*", probability, effect: { type: "reset" } },
    { api, probability, effect: { type: "resetAfterEffect" } },
    { api, probability, effect: { type: "timeoutAfterEffect" } },
    { api: "*", probability: probability / 2, effect: { type: "html", status: 502 } },
    { api: "AttachNetworkInterface", probability, effect: { type: "attachFallsBack" } },
    {
      api: "DetachNetworkInterface",
      probability,
      effect: { type: "stuckDetaching", seconds: Math.floor(5 + random() * 60), repeatHelps: random() < 0.5 },
    },
    { api, probability: probability / 10, effect: { type: "throttleBurst", seconds: Math.floor(1 + random() * 10) } },
    { api: "*", probability, effect: { type: "slow", ms: seconds(random, 0.5, 8) } },
    { api: "*", effect: { type: "quotaShare", share: 0.5 + random() * 0.5 } },
    { api: "DescribeNetworkInterfaces", effect: { type: "lateReads", ms: seconds(random, 0.5, 5) } },
    { api: "CreateNetworkInterface", probability, effect: { type: "exhaustedVSwitch", vSwitchId: "*" } },
  ];
  const rule = oneOf(random, rules);
  return { type: "cloudTrouble", rule: { name: rule.effect.type, ...rule }, forMs: seconds(random, 2, 30) };
}
