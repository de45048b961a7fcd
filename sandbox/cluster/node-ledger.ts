/** Adds up, change by change, what the pods of every node have requested. */
import type { Node, Pod } from "./kinds.ts";
import { podIsFinished } from "./kinds.ts";
import { requestsOf, toAmounts, type Amounts, type NodeView } from "./scheduling.ts";

interface Booking {
  readonly nodeName: string;
  readonly requests: Amounts;
}

export class NodeLedger {
  readonly #views = new Map<string, NodeView>();
  readonly #used = new Map<string, Map<string, number>>();
  /** By pod uid. */
  readonly #bookings = new Map<string, Booking>();
  #list: readonly NodeView[] | undefined;

  /** The nodes that can be chosen, in order of their names. */
  nodes(): readonly NodeView[] {
    this.#list ??= [...this.#views.values()].sort((a, b) => (a.node.metadata.name < b.node.metadata.name ? -1 : 1));
    return this.#list;
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const allocatable = toAmounts(node.status?.allocatable);
    this.#views.set(name, { node, allocatable, used: this.#usedOf(name) });
    this.#list = undefined;
  }

  removeNode(name: string): void {
    this.#views.delete(name);
    this.#list = undefined;
  }

  /** Books a pod on its node, releases one that is finished. True when something was released. */
  setPod(pod: Pod): boolean {
    const { uid } = pod.metadata;
    const { nodeName } = pod.spec;
    if (uid === undefined || nodeName === undefined || nodeName === "") return false;
    if (podIsFinished(pod)) return this.release(uid);
    this.book(uid, nodeName, requestsOf(pod));
    return false;
  }

  /** Does nothing when the pod has a booking on that node already. */
  book(uid: string, nodeName: string, requests: Amounts): void {
    if (this.#bookings.get(uid)?.nodeName === nodeName) return;
    this.release(uid);
    this.#bookings.set(uid, { nodeName, requests });
    this.#add(nodeName, requests, 1);
  }

  /** True when there was a booking. */
  release(uid: string): boolean {
    const booking = this.#bookings.get(uid);
    if (booking === undefined) return false;
    this.#bookings.delete(uid);
    this.#add(booking.nodeName, booking.requests, -1);
    return true;
  }

  #add(nodeName: string, requests: Amounts, sign: 1 | -1): void {
    const used = this.#usedOf(nodeName);
    for (const [name, amount] of requests) used.set(name, (used.get(name) ?? 0) + sign * amount);
  }

  #usedOf(nodeName: string): Map<string, number> {
    const known = this.#used.get(nodeName);
    if (known !== undefined) return known;
    const fresh = new Map<string, number>();
    this.#used.set(nodeName, fresh);
    return fresh;
  }
}
