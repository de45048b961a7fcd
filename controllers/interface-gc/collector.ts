import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { creatorTagValue, finalizers, machineCreatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { CallPriority, Eni, EniType } from "../../domain/eni/eni.ts";
import { ownersOf, toListed } from "../../domain/eni/orphans.ts";
import { AlreadyExistsError, isAbort, SuspendedError } from "../../runtime/errors.ts";
import type { Clock, Lister, Logger, ObjectClient, Random } from "../../runtime/ports.ts";
import { planSweep, type SweepPlan } from "./plan.ts";

/** What the collector needs of the world; cmd/controlplane.ts supplies it. */
export interface CollectorDeps {
  readonly podEnis: Lister<PodENI>;
  readonly networkInterfaces: {
    readonly lister: Lister<NetworkInterface>;
    readonly client: ObjectClient<NetworkInterface>;
  };
  /** Absent when this program makes no trunks: then it looks for none. */
  readonly nodeRecords?: Pick<Lister<Node>, "list">;
  readonly cloud: {
    listEnis(
      filter: { readonly tags: Readonly<Record<string, string>>; readonly type?: EniType },
      options: { readonly priority: CallPriority; readonly signal: AbortSignal },
    ): Promise<readonly Eni[]>;
  };
  readonly clusterId: string;
  readonly onCollected: (what: "interface" | "record") => void;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
}

/** After the start of a leader: what its predecessor left is gone within a minute. */
const sweepsAfterStartMs = [0, 15_000, 30_000];
/** After a creation whose answer nobody will ask for again; the second is needed for certainty. */
const sweepsAfterRequestMs = [5_000, 20_000];
/** When nothing gives a reason to look: one listing each 10 to 11 minutes. */
const quietMs = 600_000;
const retryMs = 5_000;

/**
 * Finds cloud interfaces and records that nobody owns and has them released. Quiet costs one listing in ten minutes;
 * a start or a doubtful creation costs two or three, each of as many calls as there are pages of 500 interfaces.
 */
export class InterfaceCollector {
  readonly #deps: CollectorDeps;
  #dueAtMs: number[] = [];
  #suspectSinceMs: ReadonlyMap<string, number> = new Map();
  #wake: () => void = () => undefined;

  constructor(deps: CollectorDeps) {
    this.#deps = deps;
  }

  /** Asks for sweeps soon; several requests share them. */
  requestSweep(): void {
    this.#schedule(sweepsAfterRequestMs);
  }

  /** Runs until `signal` aborts. Never rejects but for that. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    this.#schedule(sweepsAfterStartMs);
    while (!signal.aborted) {
      const dueAtMs = Math.min(...this.#dueAtMs, clock.now() + quietMs * (1 + 0.1 * random()));
      await this.#sleepUntil(dueAtMs, signal);
      if (clock.now() < dueAtMs) continue;
      this.#dueAtMs = this.#dueAtMs.filter((atMs) => atMs > clock.now());
      await this.#sweepSafely(signal);
    }
  }

  #schedule(delaysMs: readonly number[]): void {
    const nowMs = this.#deps.clock.now();
    for (const delayMs of delaysMs) {
      const atMs = nowMs + delayMs;
      if (!this.#dueAtMs.some((dueMs) => Math.abs(dueMs - atMs) < 2_000)) this.#dueAtMs.push(atMs);
    }
    this.#wake();
  }

  async #sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const { clock } = this.#deps;
    try {
      await clock.sleep(Math.max(0, atMs - clock.now()), AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  async #sweepSafely(signal: AbortSignal): Promise<void> {
    try {
      await this.#sweep(signal);
    } catch (error) {
      // The end of a suspension asks for a sweep.
      if (signal.aborted || error instanceof SuspendedError) return;
      this.#deps.log.warn("sweep for interfaces without owner failed; trying again", {
        controller: "interface-gc",
        error,
      });
      this.#schedule([retryMs]);
    }
  }

  async #sweep(signal: AbortSignal): Promise<void> {
    const { clock, clusterId } = this.#deps;
    const enis = await this.#list(signal);
    // The records are read after the listing: whatever it shows had its intent recorded before it was made.
    const plan = planSweep({
      enis: enis.map(toListed),
      clusterId,
      ...ownersOf({
        podEnis: this.#deps.podEnis.list(),
        networkInterfaces: this.#deps.networkInterfaces.lister.list(),
        nodeRecords: this.#deps.nodeRecords?.list() ?? [],
      }),
      suspectSinceMs: this.#suspectSinceMs,
      nowMs: clock.now(),
    });
    this.#suspectSinceMs = plan.suspectSinceMs;
    await this.#execute(plan, signal);
    if (plan.suspectSinceMs.size > plan.collect.length + plan.deleteRecords.length)
      this.#schedule(sweepsAfterRequestMs);
  }

  async #list(signal: AbortSignal): Promise<readonly Eni[]> {
    const { cloud, clusterId, nodeRecords } = this.#deps;
    const made = { [tags.clusterId]: clusterId };
    const options = { priority: "gc", signal } as const;
    const ofPods = cloud.listEnis({ tags: { ...made, [tags.creator]: creatorTagValue } }, options);
    if (nodeRecords === undefined) return ofPods;
    const ofMachines = { ...made, [tags.creator]: machineCreatorTagValue };
    const trunks = cloud.listEnis({ type: "Trunk", tags: ofMachines }, options);
    return (await Promise.all([ofPods, trunks])).flat();
  }

  async #execute(plan: SweepPlan, signal: AbortSignal): Promise<void> {
    const { networkInterfaces, onCollected, log } = this.#deps;
    for (const eni of plan.collect) {
      log.warn("interface without owner is released", {
        controller: "interface-gc",
        eniId: eni.eniId,
        status: eni.status,
      });
      await adopt(networkInterfaces.client, eni, signal);
      await networkInterfaces.client.delete("", eni.eniId, {}, signal);
      onCollected("interface");
    }
    for (const name of plan.deleteRecords) {
      log.warn("record without PodENI is deleted", { controller: "interface-gc", eniId: name });
      await networkInterfaces.client.delete("", name, {}, signal);
      onCollected("record");
    }
  }
}

/** A record, so that the release of the interface survives a crash like any other. */
async function adopt(client: ObjectClient<NetworkInterface>, eni: Eni, signal: AbortSignal): Promise<void> {
  const record: NetworkInterface = {
    apiVersion: "network.alibabacloud.com/v1beta1",
    kind: "NetworkInterface",
    metadata: { name: eni.eniId, finalizers: [finalizers.networkInterface] },
    spec: {
      eni: { id: eni.eniId, mac: eni.macAddress, zone: eni.zoneId, vSwitchID: eni.vSwitchId },
      ipv4: eni.primaryIpv4,
    },
  };
  try {
    await client.create(record, signal);
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
}
