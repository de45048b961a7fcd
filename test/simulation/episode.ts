/** One episode: a world is made, things happen to it, it comes to rest, and it is emptied. */
import type { CustomResourceDefinition } from "../../kube/crd-manifests.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { TransportRequest } from "../../runtime/transport.ts";
import { apply } from "../../sandbox/apply.ts";
import { aNamespace, aStatefulSet } from "../../e2e/manifests.ts";
import { Actor } from "./actor.ts";
import { Checker, type Violation } from "./checker.ts";
import type { Machine, Moment } from "./machine.ts";
import { Mirror } from "./mirror.ts";
import { applyPlane, planeNames } from "./planes.ts";
import type { LogLine } from "./replica.ts";
import { describe, isAtRest, isEmpty } from "./rest.ts";
import { troubledMs, type Scheduled } from "./schedule.ts";
import { plainSetting, type Setting } from "./setting.ts";
import { VirtualTime } from "./time.ts";
import { SimulatedWorld } from "./world.ts";

export const namespace = "sim";

/** The world after it came to rest, in words; the same whatever happened on the way. */
export type FinalWorld = readonly string[];

/** How long the system may take to come to rest once it is left alone, milliseconds. Few calls a minute take longer. */
const restLimitMs = { published: 180_000, tight: 600_000 } as const;
/** The interval of the checker's own looks. */
const lookEveryMs = 5_000;
/**
 * Conditions and events may follow: a record without its interface is looked at again after half a minute, and with few
 * calls a minute a new leader's look at its permissions waits for the next one. Milliseconds.
 */
const afterthoughtMs = { published: 45_000, tight: 75_000 } as const;
/** At rest, so long nothing may be written and nothing be changed in the cloud. */
const quietMs = 20_000;
/** Within a minute, so that quotas renew at some moment of each episode. */
const startMs = Date.parse("2026-01-01T00:00:20Z");

export interface EpisodeOptions {
  readonly seed: number;
  /** @default plainSetting */
  readonly setting?: Setting;
  readonly schedule: readonly Scheduled[];
  readonly crds: readonly CustomResourceDefinition[];
  /** What happens at the moments when requests leave and answers arrive. */
  readonly onMoment?: (moment: Moment, machine: Machine, world: SimulatedWorld) => void;
  /** What there is before the first replica starts. */
  readonly before?: (world: SimulatedWorld) => Promise<void>;
  /** Whether StatefulSets with fixed addresses are there from the start. @default true */
  readonly hasWorkloads?: boolean;
  /** Milliseconds in which things happen. @default troubledMs */
  readonly troubledMs?: number;
  /** Milliseconds that the system may take to come to rest. */
  readonly restLimitMs?: number;
  /** @default 2 */
  readonly replicas?: number;
  /** Called for every request that reaches the API server or the cloud, in words that are the same for the same seed. */
  readonly onEvent?: (event: string) => void;
  /** Called for each line of a replica's log. */
  readonly onLog?: (line: LogLine, nowMs: number) => void;
}

export interface EpisodeResult {
  readonly violations: readonly Violation[];
  readonly steps: number;
  /** Digest of every request that reached the API server or the cloud; the same for the same seed and schedule. */
  readonly digest: string;
  readonly finalWorld: FinalWorld;
}

/** Runs it to its end, or to the first violation. */
export async function runEpisode(options: EpisodeOptions): Promise<EpisodeResult> {
  const time = new VirtualTime(startMs + (options.seed % 60) * 1_000);
  const failures: unknown[] = [];
  const onRejection = (error: unknown): void => void failures.push(error);
  process.on("unhandledRejection", onRejection);
  const episode = new Episode(options, time);
  try {
    await episode.run();
  } catch (error) {
    failures.push(error);
  } finally {
    episode.end();
    time.end();
    process.off("unhandledRejection", onRejection);
  }
  const broken = failures.map((error) => ({
    invariant: "no part of the program breaks",
    detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
    atMs: time.nowMs,
  }));
  return {
    violations: [...episode.violations, ...broken],
    steps: time.steps,
    digest: episode.digest,
    finalWorld: episode.finalWorld,
  };
}

class Episode {
  readonly #options: EpisodeOptions;
  readonly #setting: Setting;
  readonly #time: VirtualTime;
  readonly #world: SimulatedWorld;
  readonly #mirror: Mirror;
  readonly #checker: Checker;
  readonly #actor: Actor;
  #hash = 0x811c9dc5;
  #changes = 0;
  #lastChange = "";
  #hasBegun = false;
  finalWorld: FinalWorld = [];

  constructor(options: EpisodeOptions, time: VirtualTime) {
    this.#options = options;
    this.#setting = options.setting ?? plainSetting;
    this.#time = time;
    this.#world = new SimulatedWorld({
      seed: options.seed,
      setting: this.#setting,
      replicas: options.replicas ?? 2,
      nodes: 4,
      crds: options.crds,
      listener: {
        onCloudChange: (machine, api, parameters) => {
          this.#note(`${machine.name} ${api} ${JSON.stringify(parameters)}`);
          this.#changed(`${machine.name} ${api} ${JSON.stringify(parameters)}`);
          this.#checker.onCloudChange(machine, this.#identityOf(machine), api, parameters);
        },
        onCloudRead: (machine, api) => {
          this.#note(`${machine.name} ${api}`);
          this.#checker.onCloudRead(api);
        },
        onClusterSend: (machine, request) => this.#checker.onClusterSend(machine, this.#identityOf(machine), request),
        onClusterChange: (machine, request) => this.#onClusterChange(machine, request),
      },
      onLog: (line) => {
        options.onLog?.(line, time.nowMs);
        this.#checker.onLog(line);
      },
      onMoment: (moment, machine) => {
        if (!this.#hasBegun) return;
        this.#actor.onMoment(moment, machine);
        options.onMoment?.(moment, machine, this.#world);
      },
    });
    this.#mirror = new Mirror(this.#world.admin, (change) => this.#checker.onChange(change));
    this.#checker = new Checker(this.#setting, this.#world.cloud, () => this.#mirror);
    this.#actor = new Actor(this.#world, this.#mirror, this.#checker);
  }

  get violations(): readonly Violation[] {
    return this.#checker.violations;
  }

  get digest(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  end(): void {
    this.#mirror.end();
    this.#world.end();
  }

  async run(): Promise<void> {
    await this.#during(this.#world.install());
    this.#mirror.start();
    if (this.#options.before !== undefined) await this.#during(this.#options.before(this.#world));
    await this.#during(this.#world.begin());
    await this.#during(this.#prepare());
    this.#hasBegun = true;
    await this.#trouble();
    this.#hasBegun = false;
    if (this.#isBroken()) return;
    await this.#during(this.#actor.calm());
    const scene = { world: this.#world, mirror: this.#mirror, checker: this.#checker };
    await this.#untilRest(() => isAtRest(scene));
    this.#checker.atRest();
    this.finalWorld = describe(scene);
    if (this.#isBroken()) return;
    await this.#expectQuiet();
    await this.#during(this.#actor.empty());
    await this.#untilRest(() => isEmpty(scene));
    this.#checker.atEnd();
  }

  get #restLimitMs(): number {
    return this.#options.restLimitMs ?? restLimitMs[this.#setting.quotas];
  }

  #isBroken(): boolean {
    return this.#checker.violations.length > 0;
  }

  async #prepare(): Promise<void> {
    const { admin } = this.#world;
    await apply(admin, aNamespace(namespace));
    for (const plane of planeNames) await applyPlane(admin, plane);
    await systemClock.sleep(3_000);
    for (const name of this.#options.hasWorkloads === false ? [] : ["kept", "brief"]) {
      await apply(admin, aStatefulSet({ namespace, name, plane: name, replicas: 1 }));
    }
  }

  async #trouble(): Promise<void> {
    const beginMs = this.#time.nowMs;
    let nextLookMs = beginMs + lookEveryMs;
    const pending = [...this.#options.schedule];
    while (this.#time.nowMs < beginMs + (this.#options.troubledMs ?? troubledMs) && !this.#isBroken()) {
      while (pending[0] !== undefined && beginMs + pending[0].atMs <= this.#time.nowMs) {
        this.#actor.act(pending.shift()!.what);
      }
      if (this.#time.nowMs >= nextLookMs) {
        nextLookMs += lookEveryMs;
        this.#checker.look(this.#actor.canWork());
      }
      if (!(await this.#time.step())) return;
    }
  }

  async #untilRest(isReached: () => boolean): Promise<void> {
    const endMs = this.#time.nowMs + this.#restLimitMs;
    let nextLookMs = this.#time.nowMs;
    while (this.#time.nowMs < endMs && !this.#isBroken()) {
      if (this.#time.nowMs >= nextLookMs) {
        nextLookMs = this.#time.nowMs + 1_000;
        if (isReached()) return;
      }
      if (!(await this.#time.step())) return;
    }
  }

  async #expectQuiet(): Promise<void> {
    await this.#pass(afterthoughtMs[this.#setting.quotas]);
    const before = this.#changes;
    await this.#pass(quietMs);
    if (this.#changes !== before) {
      this.#checker.report(
        "quiet means no changes",
        `${this.#changes - before} changes within ${quietMs} ms at rest; the last one: ${this.#lastChange}`,
      );
    }
  }

  async #pass(ms: number): Promise<void> {
    const endMs = this.#time.nowMs + ms;
    while (this.#time.nowMs < endMs && (await this.#time.step()));
  }

  async #during(work: Promise<void>): Promise<void> {
    const outcome: { isDone: boolean } = { isDone: false };
    const ended = work.finally(() => (outcome.isDone = true));
    ended.catch(() => undefined); // Awaited below.
    await this.#time.settle();
    const endMs = this.#time.nowMs + this.#restLimitMs;
    while (!outcome.isDone) {
      if (this.#time.nowMs > endMs || !(await this.#time.step())) throw new Error("the world does not go on");
    }
    await ended;
  }

  #identityOf(machine: Machine): string {
    return this.#world.replicas.find((replica) => replica.machine === machine)?.identity ?? "";
  }

  #onClusterChange(machine: Machine, request: TransportRequest): void {
    this.#note(`${machine.name} ${request.method} ${request.path} ${JSON.stringify(request.body)}`);
    // The recorder folds repeated events; what it says later is not news.
    if (!request.path.includes("/events"))
      this.#changed(`${machine.name} ${request.method} ${request.path} ${JSON.stringify(request.body)}`);
  }

  #changed(what: string): void {
    this.#changes += 1;
    this.#lastChange = what;
  }

  #note(text: string): void {
    let hash = this.#hash;
    const stamped = `${this.#time.nowMs} ${text}`;
    this.#options.onEvent?.(stamped);
    for (let index = 0; index < stamped.length; index += 1)
      hash = Math.imul(hash ^ stamped.charCodeAt(index), 0x01000193);
    this.#hash = hash;
  }
}
