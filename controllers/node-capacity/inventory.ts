import { creatorTagValue, machineCreatorTagValue, tags } from "../../crds/v1beta1/names.ts";
import type { CallPriority, Eni, EniType } from "../../domain/eni/eni.ts";
import { isAbort, OperatorError, SuspendedError } from "../../runtime/errors.ts";
import type { Clock, Logger, Random } from "../../runtime/ports.ts";
import type { TrunkKnowledge } from "./state.ts";

/** What the inventory needs of the world. */
export interface InventoryDeps {
  readonly cloud: {
    listEnis(
      filter: { readonly vpcId?: string; readonly instanceId?: string; readonly type?: EniType },
      options: { readonly priority: CallPriority; readonly signal: AbortSignal },
    ): Promise<readonly Eni[]>;
  };
  readonly vpcId: string;
  readonly clusterId: string;
  /** True for an interface that a NetworkInterface names: its record says what becomes of it. */
  readonly isRecorded: (eniId: string) => boolean;
  /** Something about that instance is new. */
  readonly onChanged: (instanceId: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** One instance, as it was last listed. What NetworkInterfaces name is left out. */
export interface InstanceView {
  readonly trunkIds: readonly string[];
  /** Interfaces beside the primary, the trunks and the members. */
  readonly others: readonly { readonly eniId: string; readonly isPool: boolean }[];
  /** Members without a record; those that came after the members were listed are not among them. */
  readonly foreignMemberIds: readonly string[];
}

/** Trunks that vanished and places that others took are noticed within this time, and a tenth more. */
const lookEveryMs = 300_000;
/** Requests of the same moment share a listing. */
const gatherMs = 50;
const retryMs = 5_000;
/** Up to so many instances are listed one by one; more cost less as a listing of all. */
const singlesAtMost = 4;
/** An instance that was listed so recently is not listed again for a refusal. */
const freshMs = 10_000;
/** A look, whoever asks for it: `gc` would be held back together with the collector's work (docs/degradation.md). */
const priority: CallPriority = "release";

interface Want {
  readonly atMs: number;
  /** Only a listing of its own shows an instance's members. */
  readonly isAlone: boolean;
}

/**
 * What is attached to which instance. One listing of the VPC serves all nodes: a start costs as many calls as there are pages,
 * and an instance is listed alone only when few are new, when it has a trunk that others made, or when the cloud says that it
 * is full.
 */
export class Inventory {
  readonly #deps: InventoryDeps;
  readonly #views = new Map<string, InstanceView & { readonly observedAtMs: number }>();
  readonly #trunks = new Map<string, TrunkKnowledge>();
  /** Trunks by the Node CR that they were made for, and that by trunk. */
  readonly #trunksByOwner = new Map<string, Set<string>>();
  /** Trunks whose members were listed since they are known. */
  readonly #openTrunks = new Set<string>();
  readonly #wanted = new Map<string, Want>();
  /** A first listing of all also finds trunks that a former process made and that are not attached. */
  #hasListedAll = false;
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #wake: () => void = () => undefined;

  constructor(deps: InventoryDeps) {
    this.#deps = deps;
  }

  /** Undefined until it was listed. */
  instance(instanceId: string): InstanceView | undefined {
    return this.#views.get(instanceId);
  }

  trunk(eniId: string): TrunkKnowledge | undefined {
    return this.#trunks.get(eniId);
  }

  /** Trunks that carry the UID of that Node CR. */
  trunksOf(nodeUid: string): readonly string[] {
    return [...(this.#trunksByOwner.get(nodeUid) ?? [])];
  }

  /** Why the last listing failed; undefined when it did not. */
  get failure(): { readonly reason: string; readonly message: string } | undefined {
    return this.#failure;
  }

  /** Asks for a first listing. */
  need(instanceId: string): void {
    if (this.#views.has(instanceId) || this.#wanted.has(instanceId)) return;
    this.#want(instanceId, { atMs: this.#deps.clock.now(), isAlone: false });
  }

  /** The cloud refused something that should have worked: what is known of a known instance is wrong. */
  refresh(instanceId: string): void {
    const view = this.#views.get(instanceId);
    const nowMs = this.#deps.clock.now();
    if (view === undefined || nowMs - view.observedAtMs < freshMs) return;
    this.#want(instanceId, { atMs: nowMs, isAlone: true });
  }

  /** Other calls than before are held back: what failed for that may go well now. */
  retry(): void {
    if (this.#failure !== undefined) this.#wake();
  }

  forgetInstance(instanceId: string): void {
    for (const eniId of this.#views.get(instanceId)?.trunkIds ?? []) this.#openTrunks.delete(eniId);
    this.#views.delete(instanceId);
    this.#wanted.delete(instanceId);
  }

  /** A trunk that was just made, or that a client token named: then nothing is known of it but its owner. */
  made(eni: Eni, ownerUid: string, observedAtMs: number | undefined): void {
    this.#own(eni.eniId, ownerUid);
    if (observedAtMs === undefined) this.#trunks.delete(eni.eniId);
    else this.observe(eni.eniId, eni, observedAtMs);
  }

  /** What a read of one trunk found. A read that is older than the newest changes nothing. */
  observe(eniId: string, eni: Eni | undefined, observedAtMs: number): void {
    const former = this.#trunks.get(eniId);
    if (former !== undefined && former.observedAtMs > observedAtMs) return;
    const isSame = former !== undefined && former.eni?.status === eni?.status;
    this.#trunks.set(eniId, { eni, observedAtMs, sameSinceMs: isSame ? former.sameSinceMs : observedAtMs });
    const owner = eni?.tags[tags.nodeUid];
    if (owner !== undefined) this.#own(eniId, owner);
  }

  /** What is known of it says nothing any more; it is looked at before the next decision. */
  doubt(eniId: string): void {
    this.#trunks.delete(eniId);
  }

  forgetTrunk(eniId: string): void {
    this.#trunks.delete(eniId);
    this.#openTrunks.delete(eniId);
    for (const [owner, ids] of this.#trunksByOwner) {
      if (ids.delete(eniId) && ids.size === 0) this.#trunksByOwner.delete(owner);
    }
    for (const [instanceId, view] of this.#views) {
      if (!view.trunkIds.includes(eniId)) continue;
      this.#views.set(instanceId, { ...view, trunkIds: view.trunkIds.filter((id) => id !== eniId) });
    }
  }

  /** Lists what is asked for, and all of it every five minutes, until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    let dueAtMs = this.#nextMs();
    for (;;) {
      await this.#sleep(this.#pauseMs(dueAtMs), signal);
      if (signal.aborted) return;
      const isDue = clock.now() >= dueAtMs;
      await this.#lookSafely(isDue && this.#views.size > 0, signal);
      if (isDue && this.#failure === undefined) dueAtMs = this.#nextMs();
    }
  }

  #pauseMs(dueAtMs: number): number {
    if (this.#failure !== undefined) return retryMs;
    return this.#wanted.size > 0 ? gatherMs : Math.max(0, dueAtMs - this.#deps.clock.now());
  }

  #want(instanceId: string, want: Want): void {
    this.#wanted.set(instanceId, want);
    // After a failure nobody's turn comes early.
    if (this.#failure === undefined) this.#wake();
  }

  #nextMs(): number {
    return this.#deps.clock.now() + lookEveryMs * (1 + 0.1 * this.#deps.random());
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    try {
      await this.#deps.clock.sleep(ms, AbortSignal.any([signal, woken.signal]));
    } catch (error) {
      if (!isAbort(error)) throw error;
      // The others of the same moment may come along.
      if (!signal.aborted) await this.#deps.clock.sleep(gatherMs, signal).catch(() => undefined);
    }
  }

  async #lookSafely(isPeriodic: boolean, signal: AbortSignal): Promise<void> {
    try {
      await this.#look(isPeriodic, signal);
      this.#failure = undefined;
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  /** The same failure, time and again, is one piece of news; that calls are held back, others have said. */
  #failed(error: unknown): void {
    const failure = { reason: reasonOf(error), message: error instanceof Error ? error.message : String(error) };
    if (this.#failure?.message === failure.message) return;
    this.#failure = failure;
    if (!(error instanceof SuspendedError)) {
      this.#deps.log.warn("interfaces could not be listed; trying again", { controller: "node-capacity", error });
    }
    for (const instanceId of this.#wanted.keys()) this.#deps.onChanged(instanceId);
  }

  async #look(isPeriodic: boolean, signal: AbortSignal): Promise<void> {
    const firsts = [...this.#wanted].filter(([, { isAlone }]) => !isAlone).map(([instanceId]) => instanceId);
    const isFull = isPeriodic || firsts.length > (this.#hasListedAll ? singlesAtMost : 0);
    const crowded = [...this.#views].filter(([, { foreignMemberIds }]) => foreignMemberIds.length > 0);
    if (isFull) await this.#lookAtAll(signal);
    // The listing of all may have asked for more of them.
    const alone = [...this.#wanted].filter(([, { isAlone }]) => isAlone).map(([instanceId]) => instanceId);
    const more = isPeriodic ? crowded.map(([instanceId]) => instanceId) : [];
    const singles = new Set([...(isFull ? [] : firsts), ...alone, ...more]);
    await Promise.all([...singles].map((instanceId) => this.#lookAt(instanceId, signal)));
  }

  async #lookAtAll(signal: AbortSignal): Promise<void> {
    const { cloud, vpcId, clock } = this.#deps;
    const beganAtMs = clock.now();
    const list = (type: EniType): Promise<readonly Eni[]> => cloud.listEnis({ vpcId, type }, { priority, signal });
    const [trunks, secondaries] = await Promise.all([list("Trunk"), list("Secondary")]);
    this.#hasListedAll = true;
    this.#observeAll(trunks, beganAtMs);
    const byInstance = groupByInstance([...trunks, ...secondaries]);
    const asked = [...this.#wanted].filter(([, { atMs }]) => atMs <= beganAtMs).map(([instanceId]) => instanceId);
    const known = [...new Set([...this.#views.keys(), ...asked])];
    const closed = known.filter((instanceId) => this.#hidesMembers(byInstance.get(instanceId) ?? []));
    if (closed.length > singlesAtMost) {
      const members = groupByInstance(await list("Member"));
      for (const id of known) this.#see(id, byInstance.get(id) ?? [], members.get(id) ?? [], beganAtMs);
      return;
    }
    // What is on these is not known before they are listed alone.
    for (const instanceId of closed) this.#wanted.set(instanceId, { atMs: beganAtMs, isAlone: true });
    for (const id of known) if (!closed.includes(id)) this.#see(id, byInstance.get(id) ?? [], undefined, beganAtMs);
  }

  /** A trunk that a listing of all does not show is nowhere; one that has been for long is of no interest any more. */
  #observeAll(trunks: readonly Eni[], beganAtMs: number): void {
    const listed = new Set(trunks.map(({ eniId }) => eniId));
    for (const trunk of trunks) this.observe(trunk.eniId, trunk, beganAtMs);
    for (const [eniId, known] of this.#trunks) {
      if (!listed.has(eniId)) this.observe(eniId, undefined, beganAtMs);
      if (known.eni === undefined && beganAtMs - known.sameSinceMs > lookEveryMs) this.forgetTrunk(eniId);
    }
  }

  /** Only a trunk that this program did not make for a machine of this cluster comes with members of others. */
  #hidesMembers(enis: readonly Eni[]): boolean {
    const isMade = (own: Eni["tags"]): boolean =>
      own[tags.nodeUid] !== undefined && own[tags.clusterId] === this.#deps.clusterId;
    return enis.some((eni) => eni.type === "Trunk" && !isMade(eni.tags) && !this.#openTrunks.has(eni.eniId));
  }

  async #lookAt(instanceId: string, signal: AbortSignal): Promise<void> {
    const { cloud, clock } = this.#deps;
    const beganAtMs = clock.now();
    const enis = await cloud.listEnis({ instanceId }, { priority, signal });
    for (const eni of enis) if (eni.type === "Trunk") this.observe(eni.eniId, eni, beganAtMs);
    for (const eniId of this.#views.get(instanceId)?.trunkIds ?? []) {
      // It is not there any more; whether it still is anywhere, only a look at it can say.
      if (!enis.some((eni) => eni.eniId === eniId)) this.doubt(eniId);
    }
    const members = enis.filter(({ type }) => type === "Member");
    this.#see(instanceId, enis, members, beganAtMs);
  }

  /** What was asked for before the listing began has its answer. */
  #answer(instanceId: string, beganAtMs: number, withMembers: boolean): void {
    const want = this.#wanted.get(instanceId);
    if (want !== undefined && want.atMs <= beganAtMs && (withMembers || !want.isAlone)) this.#wanted.delete(instanceId);
  }

  /** @param members undefined when they were not listed: those that were found before stay */
  #see(instanceId: string, enis: readonly Eni[], members: readonly Eni[] | undefined, observedAtMs: number): void {
    const { isRecorded, onChanged } = this.#deps;
    const trunkIds = enis.filter(({ type }) => type === "Trunk").map(({ eniId }) => eniId);
    if (members !== undefined) for (const eniId of trunkIds) this.#openTrunks.add(eniId);
    const foreign = members?.map(({ eniId }) => eniId).filter((eniId) => !isRecorded(eniId));
    const others = enis.filter(
      ({ type, eniId, tags: own }) =>
        type === "Secondary" && !isRecorded(eniId) && own[tags.creator] !== creatorTagValue,
    );
    this.#views.set(instanceId, {
      trunkIds,
      others: others.map((eni) => ({ eniId: eni.eniId, isPool: eni.tags[tags.creator] === machineCreatorTagValue })),
      foreignMemberIds: foreign ?? this.#views.get(instanceId)?.foreignMemberIds ?? [],
      observedAtMs,
    });
    this.#answer(instanceId, observedAtMs, members !== undefined);
    onChanged(instanceId);
  }

  #own(eniId: string, ownerUid: string): void {
    const ids = this.#trunksByOwner.get(ownerUid) ?? new Set();
    ids.add(eniId);
    this.#trunksByOwner.set(ownerUid, ids);
  }
}

function groupByInstance(enis: readonly Eni[]): ReadonlyMap<string, readonly Eni[]> {
  const groups = new Map<string, Eni[]>();
  for (const eni of enis) {
    if (eni.instanceId === undefined) continue;
    const group = groups.get(eni.instanceId) ?? [];
    group.push(eni);
    groups.set(eni.instanceId, group);
  }
  return groups;
}

function reasonOf(error: unknown): string {
  return error instanceof OperatorError ? error.reason : "InternalError";
}
