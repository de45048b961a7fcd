/** A cluster, a cloud, and replicas of the controlplane in one process, on virtual time, from one seed. */
import type { CustomResourceDefinition } from "../../kube/crd-manifests.ts";
import { installCrds } from "../../kube/crd-installer.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Logger, Random } from "../../runtime/ports.ts";
import { seededRandom } from "../../runtime/random.ts";
import type { Transport } from "../../runtime/transport.ts";
import { createCloud, type SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import { startCluster, type Cluster } from "../../sandbox/cluster/cluster.ts";
import type { NodeSpec } from "../../sandbox/cluster/node-specs.ts";
import { createApiServer, type ApiServer } from "../../sandbox/kube-apiserver/index.ts";
import { anEniConfig } from "../../e2e/node-records.ts";
import { landscape, layOut } from "../../sandbox/landscape.ts";
import { apply } from "../../sandbox/apply.ts";
import { webhookConfigurations } from "../../webhook/configurations.ts";
import { encodeReview, parseReview } from "../../webhook/review.ts";
import { Machine, type Moment } from "./machine.ts";
import { fairWeather, openWays, type NetworkListener, type Weather } from "./network.ts";
import { startReplica, type LogLine, type Replica } from "./replica.ts";
import { machineConf, quotasOf, type Setting } from "./setting.ts";
import { runAs, runOutside } from "./time.ts";

export interface WorldOptions {
  readonly seed: number | string;
  readonly setting: Setting;
  readonly replicas: number;
  readonly nodes: number;
  readonly crds: readonly CustomResourceDefinition[];
  readonly listener: NetworkListener;
  readonly onLog: (line: LogLine) => void;
  readonly onMoment: (moment: Moment, machine: Machine) => void;
}

/** Milliseconds from the end of a process until its next life, as a kubelet's first restarts take. */
const restartMs = { least: 500, spread: 2_500 };

export class SimulatedWorld {
  readonly weather: Weather = fairWeather();
  readonly apiServer: ApiServer;
  /** As an administrator, without lag. */
  readonly admin: Transport;
  readonly cloud: SimulatedCloud;
  readonly nodes: readonly NodeSpec[];
  readonly watches = new Set<() => void>();
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #replicas: Replica[] = [];
  #cluster: Cluster | undefined;
  #lives = 0;
  #isOver = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    const { seed } = options;
    this.#random = seededRandom(`${seed}/world`);
    this.apiServer = createApiServer({
      clock: systemClock,
      random: seededRandom(`${seed}/api`),
      webhookCaller: { call: (call) => this.#callWebhook(call) },
    });
    this.admin = this.apiServer.transport();
    this.cloud = createCloud({
      clock: systemClock,
      random: seededRandom(`${seed}/cloud`),
      regionId: landscape.regionId,
      accounts: [landscape.account],
      quotas: quotasOf(options.setting),
    });
    this.nodes = layOut(this.cloud, options.nodes, { bareNodes: options.setting.machines === "bare" });
  }

  get setting(): Setting {
    return this.#options.setting;
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error("the world has not begun");
    return this.#cluster;
  }

  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  /** Installs what an installation does, and starts the nodes. */
  async install(): Promise<void> {
    const { crds, seed } = this.#options;
    await installCrds({ transport: this.admin, crds, clock: systemClock, log: silent, signal: never });
    this.#cluster = startCluster({
      transport: this.admin,
      clock: systemClock,
      random: seededRandom(`${seed}/cluster`),
      nodes: this.nodes,
      log: silent,
    });
    await this.#cluster.ready();
    if (this.setting.machines === "bare") await apply(this.admin, anEniConfig(machineConf));
  }

  /** Registers admission, and starts the replicas. */
  async begin(): Promise<void> {
    const target = { type: "service", namespace: "kube-system" } as const;
    const { mutating, validating } = webhookConfigurations({
      controllerName: "terway-controlplane",
      target,
      failurePolicy: "Fail",
    });
    await apply(this.admin, mutating);
    await apply(this.admin, validating);
    for (let index = 0; index < this.#options.replicas; index += 1) this.#start(index);
  }

  /** Nothing starts again; timers that are left belong to nobody. */
  end(): void {
    this.#isOver = true;
    for (const { machine } of this.#replicas) machine.kill();
    void this.#cluster?.stop();
    this.apiServer.close();
    this.cloud.close();
  }

  /** kill -9; the process comes back as a kubelet would bring it. */
  kill(index: number): void {
    const replica = this.#replicas[index];
    if (replica === undefined || replica.machine.isDead) return;
    replica.machine.kill();
    this.#startLater(index);
  }

  /** Cuts every open watch. */
  cutWatches(): void {
    for (const cut of [...this.watches]) cut();
  }

  #startLater(index: number): void {
    const { least, spread } = restartMs;
    void runOutside(() => systemClock.sleep(least + spread * this.#random())).then(() => {
      if (!this.#isOver) this.#start(index);
    });
  }

  #start(index: number): void {
    const { seed, setting, listener, onLog, onMoment } = this.#options;
    const life = ++this.#lives;
    const previous = this.#replicas[index];
    const name = `replica-${index}`;
    const machine = new Machine(name, onMoment);
    machine.skewMs = previous?.machine.skewMs ?? 0;
    const random = seededRandom(`${seed}/${name}/${life}`);
    const ways = openWays({
      machine,
      apiServer: this.admin,
      cloud: this.cloud,
      weather: this.weather,
      watches: this.watches,
      random: seededRandom(`${seed}/${name}/${life}/network`),
      listener,
    });
    const replica = startReplica({ machine, ways, setting, identity: `${name}_${life}`, random, onLog });
    this.#replicas[index] = replica;
    void replica.ended.then(() => {
      if (machine.isDead || this.#isOver) return;
      machine.kill();
      runOutside(() => this.#startLater(index));
    });
  }

  /** The Service: any replica that was ready at its last probe. */
  async #callWebhook(call: {
    readonly config: unknown;
    readonly review: unknown;
    readonly timeoutMs: number;
  }): Promise<unknown> {
    const ready = this.#replicas.filter((replica) => replica.isReady());
    const replica = ready[Math.floor(this.#random() * ready.length)];
    const refused = "failed to call webhook: connect: connection refused";
    if (replica === undefined) throw new Error(refused);
    const { path } = (call.config as { readonly service: { readonly path: string } }).service;
    const handler = replica.routes[path];
    if (handler === undefined) throw new Error("failed to call webhook: 404");
    await systemClock.sleep(1 + 3 * this.#random());
    const review = parseReview(JSON.stringify(call.review));
    const over = new AbortController();
    const answer = new Promise<unknown>((resolve, reject) => {
      replica.machine.deliver(() => {
        handler(review.request, over.signal).then(
          (given) => resolve(JSON.parse(encodeReview(review, given))),
          (error: unknown) => reject(error instanceof Error ? error : new Error(String(error))),
        );
      });
    });
    const late = systemClock.sleep(call.timeoutMs, over.signal).then(() => {
      throw new Error("failed to call webhook: context deadline exceeded");
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      late.catch(() => undefined);
      answer.catch(() => undefined);
      runAs(replica.machine, () => over.abort());
    }
  }
}

const never = new AbortController().signal;

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};
