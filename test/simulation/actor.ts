/** Does what the schedule says: users and operators by the API server, trouble by its own ways. */
import { creatorTagValue, tags as ourTags } from "../../crds/v1beta1/names.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { FaultRule } from "../../sandbox/alibaba-cloud/index.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { apply, type Manifest } from "../../sandbox/apply.ts";
import { aPod } from "../../e2e/manifests.ts";
import { anEniConfig } from "../../e2e/node-records.ts";
import type { Checker } from "./checker.ts";
import { chosen } from "./choice.ts";
import type { Machine, Moment } from "./machine.ts";
import type { Mirror } from "./mirror.ts";
import { fairWeather, isCloudChange } from "./network.ts";
import { Nodes } from "./nodes.ts";
import { applyPlane, applyUntilTaken } from "./planes.ts";
import type { EniConfigChange, Happening, PodPlane } from "./schedule.ts";
import { machineConf } from "./setting.ts";
import { runOutside } from "./time.ts";
import type { SimulatedWorld } from "./world.ts";

const namespace = "sim";
const never = new AbortController().signal;

interface Strike {
  readonly side: Moment["side"];
  readonly pausesMs: number | "dies";
}

export class Actor {
  readonly #world: SimulatedWorld;
  readonly #mirror: Mirror;
  readonly #checker: Checker;
  /** Troubles that last, with how each ends. */
  readonly #lasting = new Set<() => void>();
  readonly #rules = new Set<FaultRule>();
  readonly #nodes: Nodes;
  /** What was changed and is being put right, whoever is in the way. */
  readonly #repairs = new Map<string, Promise<void>>();
  readonly #strikes: Strike[] = [];
  #lastTroubleMs = 0;

  constructor(world: SimulatedWorld, mirror: Mirror, checker: Checker) {
    this.#world = world;
    this.#mirror = mirror;
    this.#checker = checker;
    this.#nodes = new Nodes(world, mirror, checker);
  }

  /** True while somebody leads and nothing has been in the way for some seconds. */
  canWork(): boolean {
    const holder = this.#mirror.list("leases")[0]?.spec?.holderIdentity ?? "";
    const isLed = this.#world.replicas.some(
      ({ identity, machine }) => identity === holder && !machine.isDead && !machine.isPaused,
    );
    if (this.#lasting.size > 0 || !isLed) this.#lastTroubleMs = systemClock.now();
    return systemClock.now() - this.#lastTroubleMs > 10_000;
  }

  act(what: Happening): void {
    const done = this.#perform(what);
    // A user's request that fails is the user's to repeat.
    done?.catch(() => undefined);
  }

  #perform(what: Happening): Promise<unknown> | undefined {
    const { weather } = this.#world;
    switch (what.type) {
      case "createPod":
        return apply(this.#world.admin, podOf(what.plane, what.slot));
      case "deletePod":
        return this.#onPod(what.pick, (name) =>
          this.#delete(`/api/v1/namespaces/${namespace}/pods/${name}${what.isForced ? "?gracePeriodSeconds=0" : ""}`),
        );
      case "finishPod":
        return this.#onPod(what.pick, (name) =>
          this.#patch(`/api/v1/namespaces/${namespace}/pods/${name}/status`, { status: { phase: what.phase } }),
        );
      case "scale":
        return this.#patch(`/apis/apps/v1/namespaces/${namespace}/statefulsets/${what.set}`, {
          spec: { replicas: what.replicas },
        });
      case "deletePodEni":
        return this.#onPodEni(what.pick, (podEni) => this.#deletePodEni(podEni));
      case "deleteNetworkInterface":
        return this.#deleteNetworkInterface(what.pick);
      case "touchPodEni":
        return this.#onPodEni(what.pick, ({ metadata }) =>
          this.#patch(`${podEnisPath}/${metadata.name}`, {
            metadata: { annotations: { touched: String(systemClock.now()) } },
          }),
        );
      case "orphan":
        return this.#makeOrphan();
      case "loseNode":
        return this.#loseNode(what.pick, what.loses, what.forMs);
      case "joinNode":
        return this.#nodes.join(what.pick);
      case "retireNode":
        return this.#nodes.retire(what.pick);
      case "takeTrunk":
        return this.#nodes.takeTrunk(what.pick, what.deletes);
      case "deleteNodeRecord":
        return this.#delete(`/apis/network.alibabacloud.com/v1beta1/nodes/${chosen(this.#nodes.present, what.pick)}`);
      case "changeEniConfig":
        return this.#forSomeTime(what.forMs, "eni-config", [
          () => applyUntilTaken(this.#world.admin, anEniConfig(changedConf(what.to))),
          () => applyUntilTaken(this.#world.admin, anEniConfig(machineConf)),
        ]);
      case "changePlane":
        return this.#forSomeTime(what.forMs, what.plane, [
          () => applyPlane(this.#world.admin, what.plane, what.vSwitches),
          () => applyPlane(this.#world.admin, what.plane),
        ]);
      case "deletePlane":
        return this.#forSomeTime(what.forMs, what.plane, [
          () => this.#delete(`/apis/network.alibabacloud.com/v1beta1/podnetworkings/${what.plane}`),
          () => applyPlane(this.#world.admin, what.plane),
        ]);
      case "exhaust":
        this.#world.cloud.setFreeAddresses(what.vSwitchId, what.free);
        this.#last(what.forMs, () => this.#world.cloud.setFreeAddresses(what.vSwitchId, 200));
        return undefined;
      case "limitInterfaces":
        this.#world.cloud.setEniQuota(this.#countInterfaces() + what.more);
        this.#last(what.forMs, () => this.#world.cloud.setEniQuota(Infinity));
        return undefined;
      case "forgetTokens":
        this.#world.cloud.forgetClientTokens(what.olderThanMs);
        return undefined;
      case "strike":
        this.#strikes.push(what);
        return undefined;
      case "kill":
        this.#lastTroubleMs = systemClock.now();
        this.#world.kill(what.replica);
        return undefined;
      case "stop":
        this.#lastTroubleMs = systemClock.now();
        this.#world.replicas[what.replica]?.stop();
        return undefined;
      case "pause": {
        const machine = this.#world.replicas[what.replica]?.machine;
        machine?.pause();
        this.#last(what.forMs, () => machine?.resume());
        return undefined;
      }
      case "skewClock": {
        const machine = this.#world.replicas[what.replica]?.machine;
        if (machine !== undefined) machine.skewMs = what.ms;
        return undefined;
      }
      case "apiServerDown":
        weather.isApiServerDown = true;
        this.#world.cutWatches();
        this.#last(what.forMs, () => (weather.isApiServerDown = false));
        return undefined;
      case "cloudDown":
        weather.isCloudDown = true;
        this.#last(what.forMs, () => (weather.isCloudDown = false));
        return undefined;
      case "cutWatches":
        this.#world.cutWatches();
        return undefined;
      case "compact":
        this.#world.apiServer.compact();
        this.#world.cutWatches();
        return undefined;
      case "lossy":
        weather.lostBefore = what.before;
        weather.lostAfter = what.after;
        this.#last(what.forMs, () => Object.assign(weather, { lostBefore: 0, lostAfter: 0 }));
        return undefined;
      case "slowWrites":
        weather.slowWriteMs = what.ms;
        this.#last(what.forMs, () => (weather.slowWriteMs = 0));
        return undefined;
      case "watchLag":
        weather.watchLagMs = what.ms;
        this.#last(what.forMs, () => (weather.watchLagMs = fairWeather().watchLagMs));
        return undefined;
      case "cloudTrouble":
        this.#troubleCloud(what.rule, what.forMs);
        return undefined;
      case "loseCreations": {
        const effect = { type: "resetAfterEffect" } as const;
        const { probability, type: name } = what;
        this.#troubleCloud({ name, api: "CreateNetworkInterface", probability, effect }, what.forMs);
        void systemClock.sleep(what.forMs).then(() => this.#world.cloud.forgetClientTokens(0));
        return undefined;
      }
    }
  }

  /** Ends every trouble, and gives the cluster its nodes back. */
  async calm(): Promise<void> {
    for (const end of [...this.#lasting]) end();
    Object.assign(this.#world.weather, fairWeather());
    this.#world.cloud.setFaults([]);
    this.#strikes.length = 0;
    await this.#nodes.giveAllBack();
    await Promise.all(this.#repairs.values());
  }

  /** A request of a machine leaves, or its answer arrives. */
  onMoment({ request, side }: Moment, machine: Machine): void {
    if (!isCloudChange(request)) return;
    const index = this.#strikes.findIndex((strike) => strike.side === side);
    const [strike] = index < 0 ? [] : this.#strikes.splice(index, 1);
    if (strike === undefined) return;
    this.#lastTroubleMs = systemClock.now();
    if (strike.pausesMs === "dies") {
      this.#world.kill(this.#world.replicas.findIndex((replica) => replica.machine === machine));
      return;
    }
    machine.pause();
    runOutside(() => this.#last(Number(strike.pausesMs), () => machine.resume()));
  }

  /** Deletes every workload, and every address that is kept. */
  async empty(): Promise<void> {
    for (const set of ["kept", "brief"])
      await this.#delete(`/apis/apps/v1/namespaces/${namespace}/statefulsets/${set}`);
    await systemClock.sleep(1_000);
    await this.#delete(`/api/v1/namespaces/${namespace}/pods`);
    await systemClock.sleep(10_000);
    for (const podEni of this.#mirror.list("podEnis")) await this.#deletePodEni(podEni);
  }

  #last(forMs: number, end: () => void): void {
    const ended = (): void => {
      if (!this.#lasting.delete(ended)) return;
      this.#lastTroubleMs = systemClock.now();
      end();
    };
    this.#lasting.add(ended);
    void systemClock.sleep(forMs).then(ended);
  }

  async #loseNode(pick: number, loses: "node" | "instance" | "both", forMs: number): Promise<void> {
    const name = await this.#nodes.lose(pick, loses);
    if (name !== undefined) this.#last(forMs, () => void this.#nodes.giveBack(name).catch(() => undefined));
  }

  /** Does the first, and the second `forMs` later. Users wait meanwhile; nobody else needs to. */
  #forSomeTime(
    forMs: number,
    what: string,
    [change, repair]: readonly [() => Promise<unknown>, () => Promise<void>],
  ): Promise<void> {
    // One at a time, so that the last that is done is the repair.
    const before = this.#repairs.get(what) ?? Promise.resolve();
    const work = async (): Promise<void> => {
      await before;
      await change().catch(() => undefined);
      await systemClock.sleep(forMs);
      await repair();
    };
    const repaired = work();
    this.#repairs.set(what, repaired);
    return repaired;
  }

  #troubleCloud(rule: FaultRule, forMs: number): void {
    this.#rules.add(rule);
    this.#world.cloud.setFaults([...this.#rules]);
    this.#last(forMs, () => {
      this.#rules.delete(rule);
      this.#world.cloud.setFaults([...this.#rules]);
    });
  }

  #makeOrphan(): Promise<unknown> {
    const tags = {
      [ourTags.clusterId]: landscape.clusterId,
      [ourTags.creator]: creatorTagValue,
      [ourTags.podEniUid]: "nobody",
    };
    const parameters = Object.entries(tags).flatMap(([key, value], index) => [
      [`Tag.${index + 1}.Key`, key],
      [`Tag.${index + 1}.Value`, value],
    ]);
    return this.#world.cloud.call(
      { product: "ecs", action: "CreateNetworkInterface" },
      {
        RegionId: landscape.regionId,
        VSwitchId: "vsw-hz-h-1",
        "SecurityGroupIds.1": landscape.securityGroupId,
        ...(Object.fromEntries(parameters) as Readonly<Record<string, string>>),
      },
      landscape.account,
    );
  }

  /** As the account's quota counts them. */
  #countInterfaces(): number {
    return this.#world.cloud.enis().filter(({ type }) => type !== "Primary").length;
  }

  #onPod(pick: number, work: (name: string) => Promise<unknown>): Promise<unknown> | undefined {
    const names = this.#mirror.list("pods").map(({ metadata }) => metadata.name);
    return names.length === 0 ? undefined : work(chosen(names, pick));
  }

  #onPodEni(pick: number, work: (podEni: PodENI) => Promise<unknown>): Promise<unknown> | undefined {
    const podEnis = this.#mirror.list("podEnis");
    return podEnis.length === 0 ? undefined : work(chosen(podEnis, pick));
  }

  #deletePodEni(podEni: PodENI): Promise<unknown> {
    this.#checker.giveUp(podEni);
    return this.#delete(`${podEnisPath}/${podEni.metadata.name}`);
  }

  async #deleteNetworkInterface(pick: number): Promise<void> {
    const names = this.#mirror.list("networkInterfaces").map(({ metadata }) => metadata.name);
    if (names.length === 0) return;
    const name = chosen(names, pick);
    for (const podEni of this.#mirror.list("podEnis")) {
      if ((podEni.spec?.allocations ?? []).some(({ eni }) => eni?.id === name)) this.#checker.giveUp(podEni);
    }
    await this.#delete(`/apis/network.alibabacloud.com/v1beta1/networkinterfaces/${name}`);
  }

  #delete(path: string): Promise<unknown> {
    return this.#world.admin.request({ method: "DELETE", path }, never);
  }

  #patch(path: string, body: object): Promise<unknown> {
    const headers = { "content-type": "application/merge-patch+json" };
    return this.#world.admin.request({ method: "PATCH", path, headers, body }, never);
  }
}

const podEnisPath = `/apis/network.alibabacloud.com/v1beta1/namespaces/${namespace}/podenis`;

function podOf(plane: PodPlane, slot: number): Manifest {
  const name = `p-${slot}`;
  if (plane !== "double") return aPod({ namespace, name, plane });
  const request = [
    { interfaceName: "eth0", network: "double", defaultRoute: true },
    { interfaceName: "eth1", network: "double" },
  ];
  return aPod({
    namespace,
    name,
    labels: { plane },
    annotations: { "k8s.aliyun.com/pod-networks-request": JSON.stringify(request) },
  });
}

function changedConf(to: EniConfigChange): object {
  switch (to) {
    case "otherTags":
      return { ...machineConf, eni_tags: { team: "other" } };
    case "noVSwitchInZone":
      return { ...machineConf, vswitches: { "cn-hangzhou-h": ["vsw-nodes-h"] } };
    case "unknownSecurityGroup":
      return { ...machineConf, security_group: "sg-none" };
    case "none":
      return {};
  }
}
