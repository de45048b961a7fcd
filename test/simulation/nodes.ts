/** The machines of the world: they join, are lost and come back, go for good, and lose their trunks to somebody else. */
import { systemClock } from "../../runtime/clock.ts";
import type { NodeSpec } from "../../sandbox/cluster/node-specs.ts";
import { landscape } from "../../sandbox/landscape.ts";
import type { Checker } from "./checker.ts";
import { chosen } from "./choice.ts";
import type { Mirror } from "./mirror.ts";
import type { SimulatedWorld } from "./world.ts";

interface Lost {
  readonly spec: NodeSpec;
  readonly loses: "node" | "instance" | "both";
}

/** Nodes that a cluster grows to. */
const mostNodes = 7;
/** A detach that somebody asked for takes this long at most, milliseconds. */
const detachMs = 5_000;

export class Nodes {
  readonly #world: SimulatedWorld;
  readonly #mirror: Mirror;
  readonly #checker: Checker;
  readonly #specs: Map<string, NodeSpec>;
  readonly #lost = new Map<string, Lost>();
  #made = 0;

  constructor(world: SimulatedWorld, mirror: Mirror, checker: Checker) {
    this.#world = world;
    this.#mirror = mirror;
    this.#checker = checker;
    this.#specs = new Map(world.nodes.map((spec) => [spec.name, spec]));
  }

  /** Names of those that were not lost. */
  get present(): readonly string[] {
    return [...this.#specs.keys()].filter((name) => !this.#lost.has(name));
  }

  /** @returns its name; undefined when too few would be left: somewhere must pods be able to go */
  async lose(pick: number, loses: Lost["loses"]): Promise<string | undefined> {
    if (this.present.length < 3) return undefined;
    const name = chosen(this.present, pick);
    const spec = this.#specOf(name);
    this.#lost.set(name, { spec, loses });
    if (loses !== "node") this.#loseInstance(spec);
    if (loses !== "instance") await this.#world.cluster.removeNode(name);
    return name;
  }

  /** The node is there again, on the same machine if that was not lost. */
  async giveBack(name: string): Promise<void> {
    const lost = this.#lost.get(name);
    if (lost === undefined) return;
    this.#lost.delete(name);
    if (lost.loses === "instance") await this.#world.cluster.removeNode(name);
    const spec = lost.loses === "node" ? lost.spec : this.#build(lost.spec);
    this.#specs.set(name, spec);
    await this.#world.cluster.addNode(spec);
  }

  async giveAllBack(): Promise<void> {
    for (const name of [...this.#lost.keys()]) await this.giveBack(name);
  }

  async join(pick: number): Promise<void> {
    if (this.#specs.size >= mostNodes) return;
    const like = this.#specOf(chosen([...this.#specs.keys()], pick));
    const spec = this.#build({ ...like, name: `node-more${this.#made + 1}` });
    this.#specs.set(spec.name, spec);
    await this.#world.cluster.addNode(spec);
  }

  async retire(pick: number): Promise<void> {
    const spec = this.#specOf(chosen(this.present, pick));
    // Pods that can run nowhere else would wait for ever.
    const alike = this.present.map((name) => this.#specOf(name)).filter((other) => isLike(other, spec));
    if (alike.length < 2) return;
    this.#specs.delete(spec.name);
    this.#loseInstance(spec);
    await this.#world.cluster.removeNode(spec.name);
  }

  /** Somebody else in the account does it; the cloud refuses while the trunk carries members. */
  async takeTrunk(pick: number, deletes: boolean): Promise<void> {
    const trunks = this.#world.cloud.enis().filter(({ type, status }) => type === "Trunk" && status === "InUse");
    if (trunks.length === 0) return;
    const { eniId, instanceId = "" } = chosen(trunks, pick);
    this.#checker.trunkIsTaken(instanceId);
    await this.#call("DetachNetworkInterface", { NetworkInterfaceId: eniId, InstanceId: instanceId });
    if (!deletes) return;
    await systemClock.sleep(detachMs);
    await this.#call("DeleteNetworkInterface", { NetworkInterfaceId: eniId });
  }

  #specOf(name: string): NodeSpec {
    const spec = this.#specs.get(name);
    if (spec === undefined) throw new RangeError(`there is no node ${name}`);
    return spec;
  }

  #loseInstance({ instanceId }: NodeSpec): void {
    for (const podEni of this.#mirror.list("podEnis"))
      if (podEni.status?.instanceID === instanceId) this.#checker.giveUp(podEni);
    this.#checker.instanceIsLost(instanceId);
    this.#world.cloud.removeInstance(instanceId);
  }

  /** A new machine for a node that is like that one. */
  #build({ trunkEniId: _, ...like }: NodeSpec): NodeSpec {
    this.#made += 1;
    const instanceId = `i-more${this.#made}`;
    const vSwitchId = like.zone.endsWith("h") ? "vsw-nodes-h" : "vsw-nodes-i";
    const { zone: zoneId, instanceType } = like;
    this.#world.cloud.addInstance({ instanceId, instanceType, zoneId, vpcId: landscape.vpcId, vSwitchId });
    const isEquipped = like.exclusive !== true && this.#world.setting.machines === "equipped";
    return { ...like, instanceId, ...(isEquipped && { trunkEniId: this.#world.cloud.addTrunk(instanceId) }) };
  }

  #call(action: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const all = { RegionId: landscape.regionId, ...parameters };
    return this.#world.cloud.call({ product: "ecs", action }, all, landscape.account);
  }
}

function isLike(one: NodeSpec, other: NodeSpec): boolean {
  return one.zone === other.zone && one.exclusive === other.exclusive;
}
