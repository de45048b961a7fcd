/** Remembers vSwitches and how many of their addresses are free, our own use included. */
import type { VSwitch } from "../domain/vswitch/vswitch.ts";
import { OperatorError, WaitingError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import { abortError } from "./limiter.ts";
import type { Invoke } from "./invoke.ts";
import { OwnUse } from "./own-use.ts";
import { listVSwitches, readVSwitch } from "./vswitch-answers.ts";

/** A vSwitch that could not be read, and why. */
export interface UnreadVSwitch {
  readonly vSwitchId: string;
  readonly error: "NotFound" | OperatorError;
}

export interface VSwitchPool {
  /**
   * One result per id, in the order asked. From the cache while it is fresh; concurrent readers of an id share one call. When
   * a read fails for a reason that may pass, what was known before is the answer: vSwitches seldom change.
   * Never rejects but for AbortError: an id that cannot be read says so in its place.
   */
  get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]>;
  /** One result per id from the cache, at no cost; undefined for what is not in it or no longer fresh. */
  known(ids: readonly string[]): readonly (VSwitch | UnreadVSwitch | undefined)[];
  /**
   * Looks at all these at once: lists their VPCs, and asks for each that is not listed by its id, for a listing may lag or
   * tear. Refreshes the free counts of all that are remembered. Returns the ids that are found, missing or in a zone other
   * than before. @throws what a call throws; then nothing has changed.
   */
  survey(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Free addresses as far as known now, and never 0 only because of what others are about to take; undefined: not known. */
  freeIpv4Count(vSwitchId: string): number | undefined;
  /** Counts one address of each as taken until the returned function is called: the record that asks for it is on its way. */
  reserve(vSwitchIds: readonly string[]): () => void;
  /** We use one more address of it. */
  taken(vSwitchId: string): void;
  /** We gave one address back. */
  returned(vSwitchId: string): void;
  /** The cloud refused an interface for lack of addresses: nobody tries it until a later read shows free ones. */
  exhausted(vSwitchId: string): void;
  isExhausted(vSwitchId: string): boolean;
  /** Re-reads the exhausted ones, each at most every 5 s, and returns the ids that have addresses again. */
  refreshExhausted(signal: AbortSignal): Promise<readonly string[]>;
}

export interface VSwitchPoolOptions {
  readonly invoke: Invoke;
  readonly clock: Clock;
  readonly regionId: string;
  /** VPC of the cluster, which a survey lists. */
  readonly vpcId: string;
  /** Addresses of a vSwitch that records ask for and that are not taken yet. Source: PodENIs without interface ids. */
  readonly intended?: (vSwitchId: string) => number;
  /** Milliseconds that a read stays fresh. @default 1_200_000 (20 min). Source: config `vSwitchCacheTTL`. */
  readonly ttlMs?: number;
  /** vSwitches remembered; the least recently read goes first. @default 1_000. Source: config `vSwitchPoolSize`. */
  readonly size?: number;
}

/** Addresses may return at any time, but free counts of the cloud lag, so a full vSwitch is not re-read at each chance. */
const fullTtlMs = 5_000;
/** What is missing may be created, and what is forbidden allowed, at any time; a repair does not wait for the cache. */
const unreadTtlMs = 20_000;
/** Of one that surveys look at: long enough for two of them to fail. */
const surveyedTtlMs = 60_000;
/** One that no listing has may come to be in another VPC, so it is still asked for by its id from time to time. */
const missingRereadMs = 300_000;

interface Entry {
  readonly result: VSwitch | UnreadVSwitch;
  /** -Infinity: to be read again. */
  readAtMs: number;
  /** When it was asked for by its id. */
  readonly askedAtMs: number;
  readonly isSurveyed: boolean;
  readonly own: OwnUse;
}

export class CachedVSwitchPool implements VSwitchPool {
  readonly #options: VSwitchPoolOptions;
  readonly #entries = new Map<string, Entry>();
  /** Id to the last read after the refusal (or the refusal itself), milliseconds since the epoch. */
  readonly #exhausted = new Map<string, number>();
  readonly #reserved = new Map<string, number>();
  readonly #reading = new Map<string, Promise<VSwitch | UnreadVSwitch>>();
  readonly #stopped = new AbortController();

  constructor(options: VSwitchPoolOptions) {
    this.#options = options;
  }

  async get(ids: readonly string[], signal: AbortSignal): Promise<readonly (VSwitch | UnreadVSwitch)[]> {
    if (signal.aborted) throw abortError(signal);
    // The reads are shared, so one caller's signal ends its own wait only.
    let abort: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(abortError(signal));
      signal.addEventListener("abort", abort, { once: true });
    });
    try {
      return await Promise.race([
        Promise.all(ids.map(async (id) => this.#fresh(id) ?? (await this.#read(id)))),
        aborted,
      ]);
    } finally {
      if (abort !== undefined) signal.removeEventListener("abort", abort);
    }
  }

  known(ids: readonly string[]): readonly (VSwitch | UnreadVSwitch | undefined)[] {
    return ids.map((id) => this.#fresh(id));
  }

  async survey(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const wanted = new Set(ids);
    const listed = await this.#list(wanted, signal);
    const before = new Map([...listed.keys(), ...wanted].map((id) => [id, outcomeOf(this.#entries.get(id)?.result)]));
    for (const [id, result] of listed) if (wanted.has(id) || this.#entries.has(id)) this.#keep(id, result, true);
    const unlisted = [...wanted].filter((id) => !listed.has(id));
    await Promise.all(unlisted.map((id) => this.#lookForUnlisted(id)));
    this.#unblockRegained();
    return [...before].flatMap(([id, outcome]) => (outcomeOf(this.#entries.get(id)?.result) === outcome ? [] : [id]));
  }

  freeIpv4Count(vSwitchId: string): number | undefined {
    const result = this.#fresh(vSwitchId);
    return result === undefined || "error" in result ? undefined : result.freeIpv4Count;
  }

  reserve(vSwitchIds: readonly string[]): () => void {
    const add = (by: number): void => {
      for (const id of vSwitchIds) {
        const count = (this.#reserved.get(id) ?? 0) + by;
        if (count === 0) this.#reserved.delete(id);
        else this.#reserved.set(id, count);
      }
    };
    add(1);
    return () => add(-1);
  }

  taken(vSwitchId: string): void {
    this.#entries.get(vSwitchId)?.own.changed(1, this.#options.clock.now());
  }

  returned(vSwitchId: string): void {
    this.#entries.get(vSwitchId)?.own.changed(-1, this.#options.clock.now());
  }

  exhausted(vSwitchId: string): void {
    this.#exhausted.set(vSwitchId, this.#options.clock.now());
  }

  isExhausted(vSwitchId: string): boolean {
    return this.#exhausted.has(vSwitchId);
  }

  async refreshExhausted(signal: AbortSignal): Promise<readonly string[]> {
    const nowMs = this.#options.clock.now();
    const due = [...this.#exhausted].filter(([, readAtMs]) => nowMs - readAtMs >= fullTtlMs).map(([id]) => id);
    for (const id of due) {
      this.#exhausted.set(id, nowMs);
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.readAtMs = -Infinity;
    }
    const results = await this.get(due, signal);
    const regained = results.filter(({ vSwitchId }) => this.#unusedSince(vSwitchId, nowMs) > 0);
    const ids = regained.map((result) => result.vSwitchId);
    for (const id of ids) this.#exhausted.delete(id);
    return ids;
  }

  /** Ends shared reads. */
  close(): void {
    this.#stopped.abort();
  }

  // ---- survey ----

  async #list(wanted: ReadonlySet<string>, signal: AbortSignal): Promise<ReadonlyMap<string, VSwitch>> {
    const { invoke, regionId, vpcId } = this.#options;
    const results = [...wanted].flatMap((id) => this.#entries.get(id)?.result ?? []);
    const vpcIds = new Set([vpcId, ...results.flatMap((result) => ("error" in result ? [] : [result.vpcId]))]);
    const listed = new Map<string, VSwitch>();
    for (const each of vpcIds) {
      const rows = await listVSwitches(invoke, { regionId, vpcId: each }, { priority: "bind", signal });
      for (const row of rows) listed.set(row.vSwitchId, row);
    }
    return listed;
  }

  async #lookForUnlisted(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    const nowMs = this.#options.clock.now();
    const isStillMissing = outcomeOf(entry?.result) === "missing" && nowMs - (entry?.askedAtMs ?? 0) < missingRereadMs;
    if (!isStillMissing) await this.#read(id);
    const { result } = this.#entries.get(id) ?? {};
    if (result !== undefined && outcomeOf(result) === "missing") this.#keep(id, result, true);
  }

  #unblockRegained(): void {
    const nowMs = this.#options.clock.now();
    for (const [id, sinceMs] of this.#exhausted) {
      if (nowMs - sinceMs >= fullTtlMs && this.#unusedOf(id) > 0) this.#exhausted.delete(id);
    }
  }

  // ---- cache ----

  #fresh(id: string): VSwitch | UnreadVSwitch | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (this.#options.clock.now() - entry.readAtMs >= this.#ttlMsOf(entry)) return undefined;
    // Re-inserted, so that the map's order is the order of use.
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return this.#view(entry.result);
  }

  #ttlMsOf({ result, isSurveyed }: Entry): number {
    if ("error" in result) return isSurveyed ? surveyedTtlMs : unreadTtlMs;
    return this.#unusedOf(result.vSwitchId) <= 0 ? fullTtlMs : (this.#options.ttlMs ?? 1_200_000);
  }

  #view(result: VSwitch | UnreadVSwitch): VSwitch | UnreadVSwitch {
    if ("error" in result) return result;
    const id = result.vSwitchId;
    if (this.#exhausted.has(id)) return { ...result, freeIpv4Count: 0, isExhausted: true };
    const unused = this.#unusedOf(id);
    const promised = (this.#options.intended?.(id) ?? 0) + (this.#reserved.get(id) ?? 0);
    // A promise may come to nothing, so it makes a vSwitch less attractive but never full: the cloud's refusal does.
    return { ...result, freeIpv4Count: Math.max(Math.min(unused, 1), unused - promised) };
  }

  /** Free addresses by the last read, less what we took since; 0 when it is not known. */
  #unusedOf(id: string): number {
    const entry = this.#entries.get(id);
    if (entry === undefined || "error" in entry.result) return 0;
    return Math.max(0, entry.result.freeIpv4Count - entry.own.unseen);
  }

  /** The same by a read at or after that time; 0 without one. */
  #unusedSince(id: string, sinceMs: number): number {
    return (this.#entries.get(id)?.readAtMs ?? -Infinity) < sinceMs ? 0 : this.#unusedOf(id);
  }

  #read(id: string): Promise<VSwitch | UnreadVSwitch> {
    const running = this.#reading.get(id);
    if (running !== undefined) return running;
    const reading = this.#readNow(id).finally(() => this.#reading.delete(id));
    this.#reading.set(id, reading);
    return reading;
  }

  async #readNow(id: string): Promise<VSwitch | UnreadVSwitch> {
    const result = await this.#ask(id);
    if (isLasting(result)) {
      this.#keep(id, result, false);
      return this.#view(result);
    }
    const known = this.#entries.get(id)?.result;
    return this.#view(known === undefined || "error" in known ? result : known);
  }

  async #ask(id: string): Promise<VSwitch | UnreadVSwitch> {
    const { invoke, regionId } = this.#options;
    try {
      const options = { priority: "bind", signal: this.#stopped.signal } as const;
      return (await readVSwitch(invoke, { regionId, vSwitchId: id }, options)) ?? { vSwitchId: id, error: "NotFound" };
    } catch (error) {
      if (isNotFound(error)) return { vSwitchId: id, error: "NotFound" };
      if (error instanceof OperatorError) return { vSwitchId: id, error };
      return {
        vSwitchId: id,
        error: new WaitingError("Stopping", `vSwitch ${id} was not read`, 1_000, { cause: error }),
      };
    }
  }

  #keep(id: string, result: VSwitch | UnreadVSwitch, isSurveyed: boolean): void {
    const nowMs = this.#options.clock.now();
    const last = this.#entries.get(id);
    const own = ownUseAt(last, result, nowMs);
    const askedAtMs = isSurveyed ? (last?.askedAtMs ?? nowMs) : nowMs;
    this.#entries.delete(id);
    this.#entries.set(id, { result, readAtMs: nowMs, askedAtMs, isSurveyed, own });
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > (this.#options.size ?? 1_000)) this.#entries.delete(oldest);
  }
}

/** What of our own use the result may not show. */
function ownUseAt(last: Entry | undefined, result: VSwitch | UnreadVSwitch, nowMs: number): OwnUse {
  const own = last?.own ?? new OwnUse();
  if (last !== undefined && !("error" in last.result) && !("error" in result)) {
    own.read(last.result.freeIpv4Count - result.freeIpv4Count, nowMs);
  }
  return own;
}

/** What a plane makes of it: its zone, or that it is missing or unread; undefined when nothing is known. */
function outcomeOf(result: VSwitch | UnreadVSwitch | undefined): string | undefined {
  if (result === undefined) return undefined;
  if (!("error" in result)) return `in ${result.zoneId}`;
  return result.error === "NotFound" ? "missing" : "unread";
}

/** True when asking again at once would be answered the same: everything but a failure that may pass by itself. */
function isLasting(result: VSwitch | UnreadVSwitch): boolean {
  return !("error" in result) || result.error === "NotFound" || result.error.category === "terminal";
}

function isNotFound(error: unknown): boolean {
  return error instanceof OperatorError && error.reason === "VSwitchNotFound";
}
