/** Decisions about machines. */
import { toOccupancy } from "../../controllers/node-capacity/occupancy.ts";
import { toAttachable, type Occupancy } from "../../controllers/node-capacity/publication.ts";
import { planTrunk } from "../../controllers/node-capacity/plan.ts";
import { planWrites } from "../../controllers/node-capacity/publication.ts";
import {
  isServed,
  recordedTrunkIds,
  toIntent,
  toMachine,
  type TrunkState,
} from "../../controllers/node-capacity/state.ts";
import { planNode } from "../../controllers/node/plan.ts";
import { toState, type Lookups } from "../../controllers/node/state.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import { parseNodePoolConfig } from "../../domain/pod-network/node-pool-config.ts";
import { Draw } from "./draw.ts";
import type { Objects } from "./objects-target.ts";
import { promise } from "./target.ts";

export function checkMachineDecisions(seen: Objects): void {
  const draw = new Draw(seen.luck + 1);
  checkNode(seen, draw);
  if (seen.node === undefined || seen.coreNode === undefined) return;
  checkCapacity({ ...seen, node: seen.node, coreNode: seen.coreNode }, draw);
}

const config = parseNodePoolConfig(
  '{"vswitches":{"zone-a":["vsw-a"]},"security_group":"sg-1","ip_stack":"dual","max_pool_size":5}',
);

const whiteList: Readonly<Record<string, string>> = { constructor: "web" };

function checkNode({ node: record, coreNode: node }: Objects, draw: Draw): void {
  const lookups: Lookups = {
    instanceType: draw.pick<NonNullable<Lookups["instanceType"]>>([
      { type: "found", instanceType: drawInstanceType(draw) },
      { type: "missing" },
      { type: "denied", message: "no", missingAction: "ecs:DescribeInstanceTypes" },
      { type: "failed", message: "no", retryAfterMs: draw.below(100_000), isHeldBack: draw.chance(0.5) },
    ]),
    config: draw.pick<NonNullable<Lookups["config"]>>([
      { type: "found", config },
      { type: "missing", configMap: "pool-1" },
      { type: "faulty", message: "eni_conf is empty" },
    ]),
  };
  const settings = { labelWhiteList: draw.chance(0.2) ? whiteList : {}, isCentralized: draw.chance(0.7) };
  const state = { ...toState("node-1", { node, record }, settings), ...(draw.chance(0.8) && { lookups }) };
  const plan = planNode(state);
  if (plan.type !== "report") return;
  const text = JSON.stringify({ create: plan.create, patch: plan.patch });
  promise(!text.includes("null,null"), "a list of nothing");
}

function drawInstanceType(draw: Draw) {
  const count = (): number => draw.number();
  return {
    instanceType: "ecs.g7",
    eniQuantity: count(),
    eniTotalQuantity: count(),
    isTrunkSupported: draw.chance(0.5),
    ipv4PerEni: count(),
    ipv6PerEni: count(),
    eriQuantity: count(),
    bandwidthRx: count(),
    bandwidthTx: count(),
    networkCardIndexes: draw.list(3, count),
  };
}

type Machines = Objects & {
  readonly node: NonNullable<Objects["node"]>;
  readonly coreNode: NonNullable<Objects["coreNode"]>;
};

function checkCapacity(seen: Machines, draw: Draw): void {
  const { node: record, coreNode: core, networkInterfaces, pod } = seen;
  isServed(record, core);
  const trunkIds = recordedTrunkIds(record, core);
  const machine = toMachine(record, core);
  const intent = toIntent(record);
  promise(intent.attempt >= 0, `attempt ${intent.attempt}`);
  if (machine.gap !== undefined) {
    promise(machine.gap !== "", "a gap without words");
    return;
  }
  const step = planTrunk(drawTrunkState(draw, machine, trunkIds, intent)).step;
  const others = draw.list(3, () => ({
    eniId: draw.pick(["eni-1", "eni-2", "constructor"]),
    isPool: draw.chance(0.5),
  }));
  const occupancy: Occupancy = toOccupancy(
    record,
    machine.capability.mode,
    { trunkIds: [], others, foreignMemberIds: draw.list(2, () => "eni-3") },
    {
      pods: { get: () => pod },
      networkInterfaces: {
        get: (key) => networkInterfaces.find(({ metadata }) => metadata.name === key),
        byIndex: () => networkInterfaces,
      },
    },
  );
  const attachable = toAttachable(machine.capability, occupancy, step.type === "ready");
  for (const count of Object.values(attachable)) promise(count === "keep" || count >= 0, `${count} interfaces`);
  const eni = drawTrunk(draw);
  const trunk = draw.pick([undefined, "keep" as const, { eni, ipv4Cidr: "10.0.0.0/24", ipv6Cidr: "" }]);
  const explanation = { isReady: draw.chance(0.5), reason: "X", message: draw.oddText() };
  const time = { nowIso: "2026-01-01T00:00:00Z", mayRaise: draw.chance(0.5), mayExplain: draw.chance(0.8) };
  JSON.stringify(planWrites({ explanation, attachable, trunk }, { record, core }, time));
}

function drawTrunkState(
  draw: Draw,
  machine: Exclude<ReturnType<typeof toMachine>, { readonly gap: string }>,
  recordedIds: readonly string[],
  intent: TrunkState["intent"],
): TrunkState {
  const at = (): number => draw.below(100_000);
  const enis = draw.list(2, () => drawTrunk(draw));
  const outcome = draw.pick<NonNullable<TrunkState["lastCall"]>["outcome"]>([
    { type: "running" },
    { type: "accepted", atMs: at() },
    { type: "unknown", atMs: at() },
    {
      type: "refused",
      atMs: at(),
      remedy: draw.pick(["repeat", "newIntent"]),
      retryAtMs: at(),
      reason: "X",
      message: "no",
    },
  ]);
  return {
    instanceId: machine.instanceId,
    zone: machine.facts.zone,
    wanted: machine.trunk,
    intent,
    isOwnIntent: draw.chance(0.5),
    publishedId: draw.pick(["", "eni-1"]),
    recordedIds,
    onInstance: draw.chance(0.8) ? enis.map(({ eniId }) => eniId) : undefined,
    taggedIds: draw.list(2, () => "eni-2"),
    suspensions: draw.chance(0.1) ? { attach: { reason: "Degraded", message: "held back", sinceMs: 0 } } : {},
    knowledge: new Map(
      enis.map((eni) => [
        eni.eniId,
        { eni: draw.chance(0.8) ? eni : undefined, observedAtMs: at(), sameSinceMs: at() },
      ]),
    ),
    ...(draw.chance(0.5) && {
      lastCall: {
        effect: draw.pick(["create", "attach"] as const),
        attempt: intent.attempt,
        startedAtMs: at(),
        outcome,
        tries: 1 + draw.below(40),
      },
    }),
    ...(draw.chance(0.5) && { selection: { shortage: { reason: "NoVSwitchInZone", message: "none" } } as const }),
    nowMs: at(),
  };
}

function drawTrunk(draw: Draw): Eni {
  return {
    eniId: draw.pick(["eni-1", "eni-2"]),
    status: draw.pick(["Available", "Attaching", "InUse", "Detaching", "Deleting", "Unknown"]),
    type: "Trunk",
    macAddress: "",
    vSwitchId: "vsw-a",
    zoneId: draw.pick(["zone-a", "zone-b"]),
    primaryIpv4: "",
    ipv6s: [],
    securityGroupIds: [],
    tags: {},
    ...(draw.chance(0.6) && { instanceId: draw.pick(["i-1", "i-2"]) }),
  };
}
