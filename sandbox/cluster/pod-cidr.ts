/** Addresses for pods without an interface of their own: one /24 of 100.64.0.0/10 (RFC 6598) per node. */

const firstHost = 2;
const lastHost = 254;

export class PodCidr {
  /** Node name → number of its /24, in order of first use. */
  readonly #subnets = new Map<string, number>();
  readonly #byUid = new Map<string, string>();
  readonly #used = new Set<string>();

  /** The pod's address; the same for every call with its uid. @throws RangeError when the node's /24 is full */
  assign(uid: string, nodeName: string): string {
    const known = this.#byUid.get(uid);
    if (known !== undefined) return known;
    const subnet = this.#subnets.get(nodeName) ?? this.#subnets.size;
    this.#subnets.set(nodeName, subnet);
    for (let host = firstHost; host <= lastHost; host++) {
      const address = `100.${64 + (subnet >> 8)}.${subnet & 255}.${host}`;
      if (this.#used.has(address)) continue;
      this.adopt(uid, address);
      return address;
    }
    throw new RangeError(`node ${nodeName} has no free pod address`);
  }

  /** Records an address that a pod has already. */
  adopt(uid: string, address: string): void {
    if (this.#byUid.has(uid)) return;
    this.#byUid.set(uid, address);
    this.#used.add(address);
  }

  /** Frees the pod's address; a pod without one is no error. */
  release(uid: string): void {
    const address = this.#byUid.get(uid);
    if (address === undefined) return;
    this.#byUid.delete(uid);
    this.#used.delete(address);
  }
}
