/** Remembers what machines of each instance type can carry: the figures of a type do not change while it is sold. */
import type { InstanceType } from "../domain/eni/instance-type.ts";
import { OperatorError, TransientError, WaitingError } from "../runtime/errors.ts";
import type { Clock } from "../runtime/ports.ts";
import { isRecord, textOf } from "./call.ts";
import { abortError } from "./limiter.ts";
import type { Invoke } from "./invoke.ts";

/** A type that could not be read, and why. */
export interface UnreadInstanceType {
  readonly instanceType: string;
  readonly error: "NotFound" | OperatorError;
}

export interface InstanceTypes {
  /**
   * From the cache while it is fresh. Types that are asked for at about the same time share one call, however many
   * machines ask. Never rejects but for AbortError: a type that cannot be read says so.
   */
  get(instanceType: string, signal: AbortSignal): Promise<InstanceType | UnreadInstanceType>;
}

/** Source: the published program. */
const ttlMs = 15 * 24 * 3_600_000;
/** A new type may appear, and a right be granted, at any time; a repair does not wait for the cache. */
const unreadTtlMs = 20_000;
/** Machines of a new cluster come together; the first one waits so long for the types of the others. */
const gatherMs = 50;
/** Source: ECS DescribeInstanceTypes, `InstanceTypes.N`. */
const typesPerCall = 10;

type Read = InstanceType | UnreadInstanceType;

export class CachedInstanceTypes implements InstanceTypes {
  readonly #deps: { readonly invoke: Invoke; readonly clock: Clock };
  readonly #entries = new Map<string, { readonly read: Read; readonly readAtMs: number }>();
  /** What is being read, by type. */
  readonly #reading = new Map<string, Promise<Read>>();
  /** Types that wait for the next call, and that call. */
  #gathering: { readonly types: Set<string>; readonly answer: Promise<ReadonlyMap<string, Read>> } | undefined;
  readonly #stopped = new AbortController();

  constructor(deps: { readonly invoke: Invoke; readonly clock: Clock }) {
    this.#deps = deps;
  }

  async get(instanceType: string, signal: AbortSignal): Promise<Read> {
    if (signal.aborted) throw abortError(signal);
    const fresh = this.#fresh(instanceType);
    if (fresh !== undefined) return fresh;
    // The reads are shared, so one caller's signal ends its own wait only.
    return await untilAborted(this.#read(instanceType), signal);
  }

  /** Ends shared reads. */
  close(): void {
    this.#stopped.abort();
  }

  #fresh(instanceType: string): Read | undefined {
    const entry = this.#entries.get(instanceType);
    if (entry === undefined) return undefined;
    const ageMs = this.#deps.clock.now() - entry.readAtMs;
    return ageMs < ("error" in entry.read ? unreadTtlMs : ttlMs) ? entry.read : undefined;
  }

  #read(instanceType: string): Promise<Read> {
    const running = this.#reading.get(instanceType);
    if (running !== undefined) return running;
    const reading = this.#readNext(instanceType).finally(() => this.#reading.delete(instanceType));
    this.#reading.set(instanceType, reading);
    return reading;
  }

  async #readNext(instanceType: string): Promise<Read> {
    if (this.#gathering === undefined || this.#gathering.types.size >= typesPerCall) {
      const types = new Set<string>();
      this.#gathering = { types, answer: this.#send(types) };
    }
    const { types, answer } = this.#gathering;
    types.add(instanceType);
    const read = (await answer).get(instanceType) ?? { instanceType, error: "NotFound" };
    if (isLasting(read)) this.#entries.set(instanceType, { read, readAtMs: this.#deps.clock.now() });
    return read;
  }

  /** Never rejects. */
  async #send(types: ReadonlySet<string>): Promise<ReadonlyMap<string, Read>> {
    try {
      await this.#deps.clock.sleep(gatherMs, this.#stopped.signal);
      if (this.#gathering?.types === types) this.#gathering = undefined;
      const answer = await this.#deps.invoke(
        "DescribeInstanceTypes",
        { mutates: false, repeats: true },
        { InstanceTypes: [...types], MaxResults: 100 },
        // No pod runs on a machine before it is known what the machine can carry.
        { priority: "bind", signal: this.#stopped.signal },
      );
      return new Map(toInstanceTypes(answer).map((type) => [type.instanceType, type]));
    } catch (error) {
      const cause =
        error instanceof OperatorError ? error : new WaitingError("Stopping", "not read", 1_000, { cause: error });
      return new Map([...types].map((instanceType) => [instanceType, { instanceType, error: cause }]));
    }
  }
}

/** True when asking again at once would be answered the same: everything but a failure that may pass by itself. */
function isLasting(read: Read): boolean {
  return !("error" in read) || read.error === "NotFound" || read.error.category === "terminal";
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(abortError(signal));
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (abort !== undefined) signal.removeEventListener("abort", abort);
  }
}

/** @throws TransientError for an answer of another shape */
function toInstanceTypes(answer: unknown): readonly InstanceType[] {
  const list = listAt(answer, "InstanceTypes", "InstanceType");
  if (list === undefined) {
    throw new TransientError("MalformedAnswer", "DescribeInstanceTypes: no InstanceTypes in the answer", {
      cloud: { api: "DescribeInstanceTypes", code: "MalformedAnswer", outcome: "unknown" },
    });
  }
  return list.filter(isRecord).map(toInstanceType);
}

/** Members are left out for types that do not have what they count. */
function toInstanceType(value: Readonly<Record<string, unknown>>): InstanceType {
  return {
    instanceType: textOf(value["InstanceTypeId"]) ?? "",
    eniQuantity: countOf(value["EniQuantity"]),
    eniTotalQuantity: countOf(value["EniTotalQuantity"]),
    isTrunkSupported: value["EniTrunkSupported"] === true,
    ipv4PerEni: countOf(value["EniPrivateIpAddressQuantity"]),
    ipv6PerEni: countOf(value["EniIpv6AddressQuantity"]),
    eriQuantity: countOf(value["EriQuantity"]),
    bandwidthRx: countOf(value["InstanceBandwidthRx"]),
    bandwidthTx: countOf(value["InstanceBandwidthTx"]),
    networkCardIndexes: (listAt(value, "NetworkCards", "NetworkCardInfo") ?? [])
      .filter(isRecord)
      .map((card) => countOf(card["NetworkCardIndex"])),
  };
}

function listAt(value: unknown, wrapper: string, name: string): readonly unknown[] | undefined {
  const inner = isRecord(value) ? value[wrapper] : undefined;
  const list: unknown = isRecord(inner) ? inner[name] : undefined;
  return Array.isArray(list) ? (list as readonly unknown[]) : undefined;
}

function countOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
