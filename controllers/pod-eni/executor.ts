import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { PodENI, PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { CreateRequest } from "../../domain/eni/create-request.ts";
import type { CallPriority, Eni } from "../../domain/eni/eni.ts";
import type { UnreadVSwitch, VSwitch } from "../../domain/vswitch/vswitch.ts";
import { AlreadyExistsError } from "../../runtime/errors.ts";
import type { CreationCauses } from "../../runtime/creation-causes.ts";
import type { Operations } from "../../runtime/operations.ts";
import type { Places } from "../../runtime/places.ts";
import type { Lister, ObjectClient } from "../../runtime/ports.ts";
import type { Explanation, PodEniAction } from "./actions.ts";
import { kindOf, toPodRequest } from "./create-request.ts";
import { toCreationFailure } from "./creation.ts";
import { toNetworkInterface, withEni } from "./records.ts";
import { attemptsOf, ownFinalizers, type AllocationState } from "./state.ts";
import { podOf, referenceTo, StatusWriter, type StatusWriterDeps } from "./status-writer.ts";

interface CallTiming {
  readonly api: string;
  readonly limiterWaitMs: number;
  readonly callMs: number;
}

export interface ExecutorDeps extends StatusWriterDeps {
  readonly podEnis: { readonly lister: Lister<PodENI>; readonly client: ObjectClient<PodENI> };
  readonly networkInterfaces: {
    readonly lister: Lister<NetworkInterface>;
    readonly client: ObjectClient<NetworkInterface>;
  };
  readonly cloud: {
    createEni(
      request: CreateRequest,
      options: {
        readonly priority: CallPriority;
        readonly signal: AbortSignal;
        readonly onTiming?: (timing: CallTiming) => void;
        readonly onUnanswered?: () => void;
      },
    ): Promise<Eni>;
  };
  readonly vSwitches: {
    get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]>;
    taken(id: string): void;
    returned(id: string): void;
    exhausted(id: string): void;
    isExhausted(id: string): boolean;
    refreshExhausted(signal: AbortSignal): Promise<readonly string[]>;
  };
  readonly operations: Operations<Eni>;
  readonly places: Places;
  readonly creationCauses: CreationCauses;
  /** Tells controller `eni` of an interface that was just made and is Available. */
  readonly onCreated: (eni: Eni) => void;
  /** Asks the collector to look for interfaces that nobody will ask about again. */
  readonly requestSweep: () => void;
  readonly clusterId: string;
  readonly needsIpv6: boolean;
}

/** As many ids as are remembered to be gone; each is asked for once or twice, right after it went. */
const rememberedGone = 10_000;

/** Carries out one action at a time. What it remembers is a cache: losing it costs a look or a pause, never correctness. */
export class PodEniExecutor {
  readonly #deps: ExecutorDeps;
  readonly #status: StatusWriter;
  readonly #retryAtMs = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  /** Creations that may have worked although their answers were lost, by operation. */
  readonly #unanswered = new Set<string>();
  readonly #gone = new Set<string>();

  constructor(deps: ExecutorDeps) {
    this.#deps = deps;
    this.#status = new StatusWriter(deps);
  }

  retryAtMs(key: string): number | undefined {
    return this.#retryAtMs.get(key);
  }

  failures(operationKey: string): number {
    return this.#failures.get(operationKey) ?? 0;
  }

  isKnownGone(eniId: string): boolean {
    return this.#gone.has(eniId);
  }

  interfaceGone(record: NetworkInterface): void {
    this.#gone.add(record.metadata.name);
    if (record.spec?.eni?.vSwitchID !== undefined) this.#deps.vSwitches.returned(record.spec.eni.vSwitchID);
    const [oldest] = this.#gone;
    if (this.#gone.size > rememberedGone && oldest !== undefined) this.#gone.delete(oldest);
  }

  forget(key: string): void {
    this.#deps.places.release(key);
    this.#deps.timings.take(key);
    this.#retryAtMs.delete(key);
    for (const memory of [this.#failures, this.#unanswered]) {
      for (const operationKey of memory.keys()) if (operationKey.startsWith(`${key}/`)) memory.delete(operationKey);
    }
  }

  /** @throws the errors of the API server; cloud calls run outside. */
  async execute(key: string, seen: PodENI, action: PodEniAction, signal: AbortSignal): Promise<void> {
    // Earlier actions of the same plan may have written; their answers are in the cache.
    const podEni = this.#deps.podEnis.lister.get(key) ?? seen;
    switch (action.type) {
      case "requestPlace":
        this.#deps.timings.placeRequested(key, this.#deps.clock.now());
        this.#deps.places.request(key, action.priority);
        return;
      case "releasePlace":
        this.#deps.places.release(key);
        return;
      case "startCreate":
        this.#startCreate(key, podEni, action.allocation);
        return;
      case "backOff":
        this.#backOff(key, action);
        return;
      case "claimProbe":
        this.#claimProbe(key, podEni, action.allocation);
        return;
      case "blockVSwitch":
        this.#deps.vSwitches.exhausted(action.vSwitchId);
        return;
      case "requestSweep":
        this.#deps.requestSweep();
        return;
      default:
        await this.#write(key, podEni, action, signal);
    }
  }

  /** Writes why the record is not ready, and says it as an event when it is a failure; nothing when it says so already. */
  explain(podEni: PodENI, explanation: Explanation, signal: AbortSignal): Promise<void> {
    return this.#status.explain(podEni, explanation, signal);
  }

  async #write(
    key: string,
    podEni: PodENI,
    action: Exclude<PodEniAction, { readonly type: MemoryAction }>,
    signal: AbortSignal,
  ): Promise<void> {
    switch (action.type) {
      case "recordIntent":
        return this.#recordIntent(podEni, action.allocation, action.vSwitch, signal);
      case "recordCreated":
        return this.#recordCreated(key, podEni, action.allocation, action.eni, signal);
      case "createRecord":
        return this.#createRecord(podEni, action.allocation, signal);
      case "forgetInterface":
        return this.#forgetInterface(podEni, action.allocation, signal);
      case "requestAttach":
        return this.#requestAttach(podEni, action, signal);
      case "requestDetach":
        return this.#requestDetach(action.eniId, signal);
      case "deleteRecord":
        return this.#deps.networkInterfaces.client.delete("", action.eniId, {}, signal);
      case "removeFinalizers":
        return this.#removeFinalizers(podEni, signal);
      case "deleteSelf":
        return this.#deleteSelf(podEni, signal);
      default:
        return this.#status.report(key, podEni, action, signal);
    }
  }

  // ---- memory and cloud ----

  #claimProbe(key: string, podEni: PodENI, { index }: AllocationState): void {
    const allocation = podEni.spec?.allocations?.[index];
    if (allocation !== undefined) this.#deps.creationCauses.claim(kindOf(allocation), key);
  }

  #backOff(key: string, action: PodEniAction & { type: "backOff" }): void {
    if (action.interface !== undefined) {
      const operationKey = `${key}/${action.interface}`;
      this.#deps.operations.clear(operationKey);
      if (action.retryAfterMs > 0) this.#failures.set(operationKey, this.failures(operationKey) + 1);
    }
    if (action.retryAfterMs > 0) this.#retryAtMs.set(key, this.#deps.clock.now() + action.retryAfterMs);
  }

  #startCreate(key: string, podEni: PodENI, state: AllocationState): void {
    const { operations, cloud, vSwitches, timings, creationCauses } = this.#deps;
    const { interface: name, vSwitchId, isFixed, index } = state;
    const request = toPodRequest(podEni, state, this.#deps);
    const kind = kindOf(podEni.spec?.allocations?.[index] ?? {});
    const priority: CallPriority = isFixed ? "bind-fixed" : "bind";
    const operationKey = `${key}/${name}`;
    operations.start(operationKey, key, async (signal) => {
      try {
        const eni = await cloud.createEni(request, {
          priority,
          signal,
          onTiming: (timing) => timings.called(key, timing),
          onUnanswered: () => this.#unanswered.add(operationKey),
        });
        creationCauses.succeeded(kind);
        // Until here the record counts as asking for it.
        vSwitches.taken(vSwitchId);
        // A cloud that had forgotten the token made a second one: the first is nobody's.
        if (this.#unanswered.delete(operationKey)) this.#deps.requestSweep();
        return eni;
      } catch (error) {
        const failure = toCreationFailure(error, 1);
        if (failure.remedy === "stop") creationCauses.failed(kind, failure);
        throw error;
      }
    });
  }

  // ---- records ----

  async #recordIntent(
    podEni: PodENI,
    allocation: AllocationState,
    vSwitch: VSwitch | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion } = podEni.metadata;
    const attempts = { ...attemptsOf(podEni), [allocation.interface]: allocation.attempt + 1 };
    const spec =
      vSwitch === undefined
        ? {}
        : { spec: { allocations: this.#replaced(podEni, allocation.index, (current) => inVSwitch(current, vSwitch)) } };
    const metadata = { resourceVersion, annotations: { [annotations.createAttempts]: JSON.stringify(attempts) } };
    await this.#patch(podEni, { metadata, ...spec }, signal);
  }

  async #recordCreated(
    key: string,
    podEni: PodENI,
    allocation: AllocationState,
    eni: Eni,
    signal: AbortSignal,
  ): Promise<void> {
    const { networkInterfaces, operations, recorder, onCreated } = this.#deps;
    const allocations = this.#replaced(podEni, allocation.index, (current) => withEni(current, eni));
    const made = allocations[allocation.index];
    if (made === undefined) return;
    onCreated(eni);
    const operationKey = `${key}/${allocation.interface}`;
    const { resourceVersion } = podEni.metadata;
    // Both at once, for the pod waits: either write alone is completed by the next plan, also after a crash.
    const written = await Promise.allSettled([
      absorbExisting(networkInterfaces.client.create(toNetworkInterface(podEni, made), signal)),
      this.#patch(podEni, { metadata: { resourceVersion }, spec: { allocations } }, signal).then(() => {
        operations.clear(operationKey);
        this.#failures.delete(operationKey);
        recorder.event({
          regarding: referenceTo(podEni),
          related: podOf(podEni),
          type: "Normal",
          reason: "CreateENISucceed",
          action: "CreateENI",
          note: `created ${eni.eniId} with ${eni.primaryIpv4} in ${eni.vSwitchId}`,
        });
      }),
    ]);
    for (const write of written) if (write.status === "rejected") throw write.reason;
  }

  // eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
  async #createRecord(podEni: PodENI, { index }: AllocationState, signal: AbortSignal): Promise<void> {
    const allocation = podEni.spec?.allocations?.[index];
    const eniId = allocation?.eni?.id;
    if (allocation === undefined || eniId === undefined) return;
    const { client, lister } = this.#deps.networkInterfaces;
    await absorbExisting(client.create(toNetworkInterface(podEni, allocation), signal));
    const instanceID = podEni.status?.instanceID ?? "";
    const eniInfo = { ...podEni.status?.eniInfos?.[eniId], id: eniId };
    const nodeName = podEni.metadata.labels?.[labels.node] ?? "";
    const isUnbind = podEni.status?.phase === "Unbind";
    if (!isUnbind && instanceID === "") return;
    const status = isUnbind
      ? { phase: "Unbind", eniInfo }
      : { phase: "Bind", eniInfo, instanceID, trunkENIID: podEni.status?.trunkENIID ?? "", nodeName };
    await client.patchStatus("", eniId, { ...guardOf(lister.get(eniId)), status }, signal);
  }

  async #forgetInterface(podEni: PodENI, allocation: AllocationState, signal: AbortSignal): Promise<void> {
    const attempts = { ...attemptsOf(podEni), [allocation.interface]: allocation.attempt + 1 };
    const allocations = this.#replaced(podEni, allocation.index, withoutEni);
    const metadata = {
      resourceVersion: podEni.metadata.resourceVersion,
      annotations: { [annotations.createAttempts]: JSON.stringify(attempts) },
    };
    await this.#patch(podEni, { metadata, spec: { allocations } }, signal);
    await this.#deps.networkInterfaces.client.delete("", allocation.eniId, {}, signal);
  }

  async #requestAttach(
    podEni: PodENI,
    { eniId, instanceId, trunkEniId, networkCardIndex }: PodEniAction & { type: "requestAttach" },
    signal: AbortSignal,
  ): Promise<void> {
    const { client, lister } = this.#deps.networkInterfaces;
    let record = lister.get(eniId);
    const nodeName = podEni.metadata.labels?.[labels.node] ?? "";
    if (record?.metadata.labels?.[labels.node] !== nodeName) {
      const { metadata: guard } = guardOf(record);
      record = await client.patch("", eniId, { metadata: { ...guard, labels: { [labels.node]: nodeName } } }, signal);
    }
    const status = {
      phase: "Binding",
      eniInfo: record.status?.eniInfo ?? { id: eniId },
      instanceID: instanceId,
      trunkENIID: trunkEniId,
      networkCardIndex: networkCardIndex ?? null,
      nodeName,
      // A reason of a former attempt says nothing about this one.
      conditions: null,
    };
    await client.patchStatus("", eniId, { ...guardOf(record), status }, signal);
  }

  async #requestDetach(eniId: string, signal: AbortSignal): Promise<void> {
    const { client, lister } = this.#deps.networkInterfaces;
    const record = lister.get(eniId);
    const eniInfo = record?.status?.eniInfo ?? { id: eniId };
    await client.patchStatus("", eniId, { ...guardOf(record), status: { phase: "Detaching", eniInfo } }, signal);
  }

  async #removeFinalizers(podEni: PodENI, signal: AbortSignal): Promise<void> {
    const own = ownFinalizers(podEni);
    const left = (podEni.metadata.finalizers ?? []).filter((finalizer) => !own.includes(finalizer));
    const { resourceVersion } = podEni.metadata;
    await this.#patch(podEni, { metadata: { resourceVersion, finalizers: left } }, signal);
  }

  async #deleteSelf(podEni: PodENI, signal: AbortSignal): Promise<void> {
    const { namespace = "", name, uid } = podEni.metadata;
    await this.#deps.podEnis.client.delete(namespace, name, uid === undefined ? {} : { uid }, signal);
  }

  async #patch(podEni: PodENI, patch: object, signal: AbortSignal): Promise<void> {
    await this.#deps.podEnis.client.patch(podEni.metadata.namespace ?? "", podEni.metadata.name, patch, signal);
  }

  #replaced(
    podEni: PodENI,
    index: number,
    change: (allocation: PodEniAllocation) => PodEniAllocation,
  ): readonly PodEniAllocation[] {
    return (podEni.spec?.allocations ?? []).map((allocation, at) => (at === index ? change(allocation) : allocation));
  }
}

type MemoryAction =
  "requestPlace" | "releasePlace" | "startCreate" | "backOff" | "claimProbe" | "blockVSwitch" | "requestSweep";

/** Lets a patch pass only over what was decided upon. */
function guardOf(record: NetworkInterface | undefined): { readonly metadata: object } {
  return { metadata: { resourceVersion: record?.metadata.resourceVersion } };
}

/** The record of that interface exists: a former try made it and its answer was lost. */
async function absorbExisting(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!(error instanceof AlreadyExistsError)) throw error;
  }
}

function inVSwitch(allocation: PodEniAllocation, vSwitch: VSwitch): PodEniAllocation {
  return {
    ...allocation,
    ipv4CIDR: vSwitch.ipv4Cidr,
    ipv6CIDR: vSwitch.ipv6Cidr,
    eni: { ...allocation.eni, vSwitchID: vSwitch.vSwitchId, zone: vSwitch.zoneId },
  };
}

function withoutEni(allocation: PodEniAllocation): PodEniAllocation {
  const eni = Object.entries(allocation.eni ?? {}).filter(([key]) => key !== "id" && key !== "mac");
  const rest = Object.entries(allocation).filter(([key]) => key !== "ipv4" && key !== "ipv6");
  return { ...Object.fromEntries(rest), eni: Object.fromEntries(eni) };
}
