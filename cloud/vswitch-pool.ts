/** Remembers vSwitches and how many of their addresses are free, our own use included. */
import type { VSwitch } from "../domain/vswitch/vswitch.ts";
import { OperatorError, TransientError, WaitingError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import { isRecord, textOf } from "./call.ts";
import { abortError } from "./limiter.ts";
import type { Invoke } from "./invoke.ts";

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
  /** Milliseconds that a read stays fresh. @default 1_200_000 (20 min). Source: config `vSwitchCacheTTL`. */
  readonly ttlMs?: number;
  /** vSwitches remembered; the least recently read goes first. @default 1_000. Source: config `vSwitchPoolSize`. */
  readonly size?: number;
}

/** Addresses may return at any time, but free counts of the cloud lag, so a full vSwitch is not re-read at each chance. */
const fullTtlMs = 5_000;
/** What is missing may be created, and what is forbidden allowed, at any time; a repair does not wait for the cache. */
const unreadTtlMs = 20_000;

interface Entry {
  result: VSwitch | UnreadVSwitch;
  readAtMs: number;
}

export class CachedVSwitchPool implements VSwitchPool {
  readonly #options: VSwitchPoolOptions;
  readonly #entries = new Map<string, Entry>();
  /** Id to the last read after the refusal (or the refusal itself), milliseconds since the epoch. */
  readonly #exhausted = new Map<string, number>();
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

  taken(vSwitchId: string): void {
    this.#adjust(vSwitchId, -1);
  }

  returned(vSwitchId: string): void {
    this.#adjust(vSwitchId, 1);
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
    const regained = results.filter(({ vSwitchId }) => this.#countSince(vSwitchId, nowMs) > 0);
    const ids = regained.map((result) => result.vSwitchId);
    for (const id of ids) this.#exhausted.delete(id);
    return ids;
  }

  /** Ends shared reads. */
  close(): void {
    this.#stopped.abort();
  }

  #fresh(id: string): VSwitch | UnreadVSwitch | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (this.#options.clock.now() - entry.readAtMs >= this.#ttlMsOf(entry)) return undefined;
    // Re-inserted, so that the map's order is the order of use.
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return this.#view(entry.result);
  }

  #ttlMsOf({ result }: Entry): number {
    if ("error" in result) return unreadTtlMs;
    return result.freeIpv4Count <= 0 ? fullTtlMs : (this.#options.ttlMs ?? 1_200_000);
  }

  #view(result: VSwitch | UnreadVSwitch): VSwitch | UnreadVSwitch {
    if ("error" in result || !this.#exhausted.has(result.vSwitchId)) return result;
    return { ...result, freeIpv4Count: 0, isExhausted: true };
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
      this.#keep(id, { result, readAtMs: this.#options.clock.now() });
      return this.#view(result);
    }
    const known = this.#entries.get(id)?.result;
    return this.#view(known === undefined || "error" in known ? result : known);
  }

  async #ask(id: string): Promise<VSwitch | UnreadVSwitch> {
    try {
      const answer = await this.#options.invoke(
        "DescribeVSwitches",
        { mutates: false, repeats: true },
        // One id a call: the API documents no list.
        { RegionId: this.#options.regionId, VSwitchId: id },
        { priority: "bind", signal: this.#stopped.signal },
      );
      return findVSwitch(answer, id) ?? { vSwitchId: id, error: "NotFound" };
    } catch (error) {
      if (isNotFound(error)) return { vSwitchId: id, error: "NotFound" };
      if (error instanceof OperatorError) return { vSwitchId: id, error };
      return {
        vSwitchId: id,
        error: new WaitingError("Stopping", `vSwitch ${id} was not read`, 1_000, { cause: error }),
      };
    }
  }

  #keep(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > (this.#options.size ?? 1_000)) this.#entries.delete(oldest);
  }

  #adjust(id: string, by: number): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || "error" in entry.result) return;
    entry.result = { ...entry.result, freeIpv4Count: Math.max(0, entry.result.freeIpv4Count + by) };
  }

  /** Free addresses by a read at or after that time; 0 without one. */
  #countSince(id: string, sinceMs: number): number {
    const entry = this.#entries.get(id);
    return entry === undefined || "error" in entry.result || entry.readAtMs < sinceMs ? 0 : entry.result.freeIpv4Count;
  }
}

/** True when asking again at once would be answered the same: everything but a failure that may pass by itself. */
function isLasting(result: VSwitch | UnreadVSwitch): boolean {
  return !("error" in result) || result.error === "NotFound" || result.error.category === "terminal";
}

function isNotFound(error: unknown): boolean {
  return error instanceof OperatorError && error.reason === "VSwitchNotFound";
}

/** @throws TransientError for an answer of another shape */
function findVSwitch(answer: unknown, id: string): VSwitch | undefined {
  const wrapper = isRecord(answer) ? answer["VSwitches"] : undefined;
  const list: unknown = isRecord(wrapper) ? wrapper["VSwitch"] : undefined;
  if (!Array.isArray(list)) {
    throw new TransientError("MalformedAnswer", "DescribeVSwitches: no VSwitches in the answer", {
      cloud: { api: "DescribeVSwitches", code: "MalformedAnswer", outcome: "unknown" },
    });
  }
  const found: unknown = list.find((item: unknown) => isRecord(item) && item["VSwitchId"] === id);
  return isRecord(found) ? toVSwitch(found, id) : undefined;
}

function toVSwitch(value: Readonly<Record<string, unknown>>, id: string): VSwitch {
  const count = value["AvailableIpAddressCount"];
  return {
    vSwitchId: id,
    vpcId: textOf(value["VpcId"]) ?? "",
    zoneId: textOf(value["ZoneId"]) ?? "",
    ipv4Cidr: textOf(value["CidrBlock"]) ?? "",
    ipv6Cidr: textOf(value["Ipv6CidrBlock"]) ?? "",
    freeIpv4Count: typeof count === "number" ? count : 0,
    isExhausted: false,
  };
}
