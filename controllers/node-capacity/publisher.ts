import type { Node } from "../../crds/v1beta1/node.gen.ts";
import { group, version } from "../../crds/v1beta1/names.ts";
import { findCondition } from "../../domain/conditions/conditions.ts";
import { toWireTime } from "../../domain/conditions/wire-time.ts";
import type { CoreNode } from "../../domain/kubernetes/objects.ts";
import { NotFoundError } from "../../runtime/errors.ts";
import type { Clock, Lister, ObjectClient, ObjectReference, Recorder } from "../../runtime/ports.ts";
import { configReasons, interfacesReady, progressReasons, reasons } from "./conditions.ts";
import { planWrites, type Publication, type Writes } from "./publication.ts";
import type { TrunkEvent } from "./trunk-calls.ts";

export interface PublisherDeps {
  readonly records: { readonly lister: Lister<Node>; readonly client: ObjectClient<Node> };
  readonly nodes: { readonly lister: Lister<CoreNode>; readonly client: ObjectClient<CoreNode> };
  readonly recorder: Recorder;
  readonly clock: Clock;
}

/** What is normal for some seconds is not worth a write before this. */
const quietMs = 8_000;
/** Between two increases of what a node can carry. */
const raiseEveryMs = 2_000;

/** What only this process knows of one node. */
interface Memory {
  /** When a resource last grew. */
  raisedAtMs: number;
  /** Since when it is not ready. */
  unreadySinceMs: number | undefined;
}

/** Writes what a node's objects are to say, only where they say something else, and tells people of what is new. */
export class Publisher {
  readonly #deps: PublisherDeps;
  readonly #memory = new Map<string, Memory>();

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
  }

  /**
   * The Node CR first: the daemon looks the annotated trunk up there. The taint last: then everything can be served.
   * @returns milliseconds until there is more to write; undefined when there is not
   */
  async publish(name: string, publication: Publication, signal: AbortSignal): Promise<number | undefined> {
    const { records, nodes, clock } = this.#deps;
    const record = records.lister.get(name);
    const core = nodes.lister.get(name);
    if (record === undefined || core === undefined) return undefined;
    const memory = this.#memoryOf(name);
    const nowMs = clock.now();
    const explainInMs = quietLeftMs(publication, record, memory, nowMs);
    const raiseInMs = Math.max(0, memory.raisedAtMs + raiseEveryMs - nowMs);
    const may = { mayRaise: raiseInMs === 0, mayExplain: explainInMs === 0 };
    const writes = planWrites(publication, { record, core }, { nowIso: toWireTime(nowMs), ...may });
    try {
      await this.#write(name, writes, signal);
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
    if (writes.raises && may.mayRaise) memory.raisedAtMs = nowMs;
    if (writes.isNews) this.#explain(name, publication);
    const delays = [explainInMs, writes.raises ? raiseInMs : 0].filter((ms) => ms > 0);
    return delays.length === 0 ? undefined : Math.min(...delays);
  }

  /** An event on the Node CR. */
  tell(name: string, { reason, note }: TrunkEvent): void {
    const record = this.#deps.records.lister.get(name);
    if (record === undefined) return;
    this.#deps.recorder.event({
      regarding: { apiVersion: `${group}/${version}`, kind: "Node", ...nameOf(record.metadata) },
      type: reason.endsWith("Failed") ? "Warning" : "Normal",
      reason,
      action: reason.startsWith("Create") ? "CreateENI" : "AttachENI",
      note,
    });
  }

  forget(name: string): void {
    this.#memory.delete(name);
  }

  async #write(name: string, { record, metadata, status, taints, raises }: Writes, signal: AbortSignal): Promise<void> {
    const { records, nodes } = this.#deps;
    if (record !== undefined) await records.client.patchStatus("", name, record, signal);
    const sayTrunk = async (): Promise<void> => {
      if (metadata !== undefined) await nodes.client.patch("", name, metadata, signal);
    };
    const sayCapacity = async (): Promise<void> => {
      if (status !== undefined) await nodes.client.patchStatus("", name, status, signal, "strategic");
    };
    // Whoever dies in between must not leave capacity without its trunk.
    for (const say of raises ? [sayTrunk, sayCapacity] : [sayCapacity, sayTrunk]) await say();
    if (taints === undefined) return;
    // The list is replaced as a whole, so it must be the one that was read.
    const resourceVersion = nodes.lister.get(name)?.metadata.resourceVersion;
    await nodes.client.patch("", name, { metadata: { resourceVersion }, ...taints }, signal);
  }

  #explain(name: string, { explanation: { isReady, reason, message } }: Publication): void {
    const core = this.#deps.nodes.lister.get(name);
    if (core === undefined || isReady) return;
    if (reason === reasons.fellBack) this.tell(name, { reason: "AttachENIFailed", note: message });
    if (!configReasons.has(reason)) return;
    const regarding = { apiVersion: "v1", kind: "Node", ...nameOf(core.metadata) };
    this.#deps.recorder.event({ regarding, type: "Warning", reason: "ConfigError", action: "Config", note: message });
  }

  #memoryOf(name: string): Memory {
    const memory = this.#memory.get(name) ?? { raisedAtMs: -Infinity, unreadySinceMs: undefined };
    this.#memory.set(name, memory);
    return memory;
  }
}

/**
 * For how long an explanation is not worth a write: a normal step on the way, or too little knowledge to contradict what was
 * said before. 0: it is.
 */
function quietLeftMs({ explanation, attachable }: Publication, record: Node, memory: Memory, nowMs: number): number {
  memory.unreadySinceMs = explanation.isReady ? undefined : (memory.unreadySinceMs ?? nowMs);
  if (memory.unreadySinceMs === undefined) return 0;
  const said = findCondition(record.status?.conditions, interfacesReady)?.reason;
  const isOnTheWay = progressReasons.has(explanation.reason) && (said === undefined || progressReasons.has(said));
  return attachable === "keep" || isOnTheWay ? Math.max(0, memory.unreadySinceMs + quietMs - nowMs) : 0;
}

function nameOf({
  name,
  uid,
}: {
  readonly name: string;
  readonly uid?: string;
}): Pick<ObjectReference, "name" | "uid"> {
  return { name, ...(uid !== undefined && { uid }) };
}
