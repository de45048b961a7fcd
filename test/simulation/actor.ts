/** Does what the schedule says: users and operators by the API server, trouble by its own ways. */
import { creatorTagValue, tags as ourTags } from "../../crds/v1beta1/names.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { FaultRule } from "../../sandbox/alibaba-cloud/index.ts";
import type { NodeSpec } from "../../sandbox/cluster/node-specs.ts";
import { landscape } from "../../sandbox/landscape.ts";
import { apply, type Manifest } from "../../sandbox/apply.ts";
import { aPod } from "../../e2e/manifests.ts";
import type { Checker } from "./checker.ts";
import type { Mirror } from "./mirror.ts";
import { fairWeather } from "./network.ts";
import type { Happening, PlaneName } from "./schedule.ts";
import type { SimulatedWorld } from "./world.ts";

const namespace = "sim";
const never = new AbortController().signal;

interface Lost {
  readonly spec: NodeSpec;
  readonly loses: "node" | "instance" | "both";
}

export class Actor {
  readonly #world: SimulatedWorld;
  readonly #mirror: Mirror;
  readonly #checker: Checker;
  /** Troubles that last, with how each ends. */
  readonly #lasting = new Set<() => void>();
  readonly #rules = new Set<FaultRule>();
  readonly #specs: Map<string, NodeSpec>;
  readonly #lost = new Map<string, Lost>();
  #instances = 0;
  #lastTroubleMs = 0;

  constructor(world: SimulatedWorld, mirror: Mirror, checker: Checker) {
    this.#world = world;
    this.#mirror = mirror;
    this.#checker = checker;
    this.#specs = new Map(world.nodes.map((spec) => [spec.name, spec]));
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
      case "exhaust":
        this.#world.cloud.setFreeAddresses(what.vSwitchId, what.free);
        this.#last(what.forMs, () => this.#world.cloud.setFreeAddresses(what.vSwitchId, 200));
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
        this.#rules.add(what.rule);
        this.#world.cloud.setFaults([...this.#rules]);
        this.#last(what.forMs, () => {
          this.#rules.delete(what.rule);
          this.#world.cloud.setFaults([...this.#rules]);
        });
        return undefined;
    }
  }

  /** Ends every trouble, and gives the cluster its nodes back. */
  async calm(): Promise<void> {
    for (const end of [...this.#lasting]) end();
    Object.assign(this.#world.weather, fairWeather());
    this.#world.cloud.setFaults([]);
    for (const name of [...this.#lost.keys()]) await this.#giveNodeBack(name);
  }

  /** Every pod runs or has ended, every record is settled, and nothing is left of what went. */
  isAtRest(): boolean {
    const pods = this.#mirror.list("pods").filter(({ metadata }) => metadata.labels?.["plane"] !== undefined);
    const deprived = new Set(
      this.#mirror
        .list("podEnis")
        .filter((podEni) => this.#checker.isMissing(podEni))
        .map(({ metadata }) => metadata.name),
    );
    const running = pods.filter(({ status }) => status?.phase === "Running");
    const waiting = pods.filter((pod) => pod.status?.phase !== "Running" && deprived.has(pod.metadata.name));
    const ended = pods.filter(({ status }) => status?.phase === "Succeeded" || status?.phase === "Failed");
    const isSettled =
      pods.length === running.length + ended.length + waiting.length &&
      pods.every(({ metadata }) => metadata.deletionTimestamp === undefined);
    const podEnis = this.#mirror.list("podEnis");
    const wanted = new Set(podEnis.flatMap(({ spec }) => (spec?.allocations ?? []).map(({ eni }) => eni?.id ?? "")));
    const own = this.#world.cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId);
    return (
      isSettled &&
      podEnis.every(
        ({ status, metadata }) =>
          (status?.phase === "Bind" || status?.phase === "Unbind" || deprived.has(metadata.name)) &&
          metadata.deletionTimestamp === undefined,
      ) &&
      podEnis.filter(({ status }) => status?.phase === "Bind").length === running.length &&
      this.#mirror.list("networkInterfaces").every(({ metadata }) => wanted.has(metadata.name)) &&
      own.every(({ eniId }) => wanted.has(eniId))
    );
  }

  /** The world at rest, without what chance decides: ids, addresses, nodes. */
  describe(): readonly string[] {
    const own = this.#world.cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId);
    return [
      ...this.#mirror
        .list("pods")
        .filter(({ metadata }) => metadata.labels?.["plane"] !== undefined)
        .map(({ metadata, status }) => `pod ${metadata.name} ${status?.phase ?? ""}`),
      ...this.#mirror
        .list("podEnis")
        .map(
          ({ metadata, spec, status }) =>
            `record ${metadata.name} ${status?.phase ?? ""} ${spec?.allocations?.length ?? 0}`,
        ),
      `${this.#mirror.list("networkInterfaces").length} interface records`,
      `interfaces: ${own
        .map(({ status }) => status)
        .sort()
        .join(" ")}`,
    ];
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

  isEmpty(): boolean {
    const own = this.#world.cloud.enis().filter(({ tags }) => tags.get("ack.aliyun.com") === landscape.clusterId);
    return this.#mirror.list("podEnis").length + this.#mirror.list("networkInterfaces").length + own.length === 0;
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

  async #loseNode(pick: number, loses: Lost["loses"], forMs: number): Promise<void> {
    const present = [...this.#specs.keys()].filter((name) => !this.#lost.has(name));
    // Somewhere must pods be able to go.
    if (present.length < 3) return;
    const name = chosen(present, pick);
    const spec = this.#specs.get(name);
    if (spec === undefined) return;
    this.#lost.set(name, { spec, loses });
    if (loses !== "node") this.#loseInstance(spec.instanceId);
    if (loses !== "instance") await this.#world.cluster.removeNode(name);
    this.#last(forMs, () => void this.#giveNodeBack(name).catch(() => undefined));
  }

  #loseInstance(instanceId: string): void {
    for (const podEni of this.#mirror.list("podEnis"))
      if (podEni.status?.instanceID === instanceId) this.#checker.giveUp(podEni);
    this.#world.cloud.removeInstance(instanceId);
  }

  async #giveNodeBack(name: string): Promise<void> {
    const lost = this.#lost.get(name);
    if (lost === undefined) return;
    this.#lost.delete(name);
    let { spec } = lost;
    if (lost.loses === "instance") await this.#world.cluster.removeNode(name);
    if (lost.loses !== "node") {
      this.#instances += 1;
      const instanceId = `i-again${this.#instances}`;
      const { vpcId } = landscape;
      const vSwitchId = spec.zone.endsWith("h") ? "vsw-nodes-h" : "vsw-nodes-i";
      const { trunkEniId, ...machine } = spec;
      this.#world.cloud.addInstance({
        instanceId,
        instanceType: spec.instanceType,
        zoneId: spec.zone,
        vpcId,
        vSwitchId,
      });
      spec = {
        ...machine,
        instanceId,
        ...(trunkEniId !== undefined && { trunkEniId: this.#world.cloud.addTrunk(instanceId) }),
      };
      this.#specs.set(name, spec);
    }
    await this.#world.cluster.addNode(spec);
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

function chosen<T>(choices: readonly T[], pick: number): T {
  const choice = choices[Math.floor(pick * choices.length)];
  if (choice === undefined) throw new RangeError("nothing to choose from");
  return choice;
}

function podOf(plane: PlaneName, slot: number): Manifest {
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
