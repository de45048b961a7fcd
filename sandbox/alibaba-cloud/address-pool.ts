/** Real addresses out of a vSwitch's blocks: who holds which is decided here and nowhere else. */

/** IPv4 addresses of one vSwitch. */
export class Ipv4Pool {
  readonly #base: number;
  readonly #size: number;
  readonly #used = new Set<number>();
  #cursor: number;
  /** Addresses that are taken by somebody outside this world; {@link setFree} sets it. */
  #withheld = 0;

  /** @param cidr an IPv4 block of /16 to /29, the sizes that a vSwitch may have */
  constructor(cidr: string) {
    const match = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr);
    const bits = Number(match?.[2]);
    if (match?.[1] === undefined || !(bits >= 16 && bits <= 29)) {
      throw new RangeError(`vSwitch CIDR ${cidr} is not an IPv4 block of /16 to /29`);
    }
    this.#size = 2 ** (32 - bits);
    const address = toNumber(match[1]);
    this.#base = address - (address % this.#size);
    this.#cursor = firstHost;
  }

  /** Addresses that can still be given out. */
  get free(): number {
    return Math.max(0, this.#capacity - this.#used.size - this.#withheld);
  }

  /** Makes exactly `count` addresses free now, however many this world holds. */
  setFree(count: number): void {
    this.#withheld = this.#capacity - this.#used.size - count;
  }

  /** The next free address; undefined when there is none. Freed addresses come back last, as they do in the cloud. */
  take(): string | undefined {
    if (this.free === 0) return undefined;
    for (let tried = 0; tried < this.#capacity; tried++) {
      const offset = this.#cursor;
      this.#cursor = offset + 1 > this.#size - 1 - reservedAtEnd ? firstHost : offset + 1;
      if (!this.#used.has(offset)) {
        this.#used.add(offset);
        return toText(this.#base + offset);
      }
    }
    return undefined;
  }

  /** Takes a named address. */
  claim(address: string): "claimed" | "outside" | "assigned" {
    const offset = toNumber(address) - this.#base;
    if (!(offset >= firstHost && offset <= this.#size - 1 - reservedAtEnd)) return "outside";
    if (this.#used.has(offset)) return "assigned";
    this.#used.add(offset);
    return "claimed";
  }

  release(address: string): void {
    this.#used.delete(toNumber(address) - this.#base);
  }

  get #capacity(): number {
    return Math.max(0, this.#size - firstHost - reservedAtEnd);
  }
}

// The cloud keeps the first and the last three addresses of every vSwitch for itself.
const firstHost = 1;
const reservedAtEnd = 3;

function toNumber(address: string): number {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(part >= 0 && part <= 255))) return NaN;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

/** IPv6 addresses of one vSwitch: the block's first 64 bits and a counter. */
export class Ipv6Pool {
  readonly #prefix: string;
  readonly #used = new Set<string>();
  #next = 1;

  /** @param cidr an IPv6 block of /64, the only size that a vSwitch has */
  constructor(cidr: string) {
    const match = /^([0-9a-f:]+)\/64$/i.exec(cidr);
    const [head, tail] = (match?.[1] ?? "").split("::");
    const groups = (head ?? "").split(":").filter((group) => group !== "");
    if (match === null || tail === undefined || tail !== "" || groups.length > 4 || groups.length === 0) {
      throw new RangeError(`vSwitch IPv6 CIDR ${cidr} is not of the form 2408:4005:3aa:4f00::/64`);
    }
    this.#prefix = [...groups, ...Array<string>(4 - groups.length).fill("0")].join(":").toLowerCase();
  }

  take(): string {
    for (;;) {
      const address = this.#address(this.#next++);
      if (!this.#used.has(address)) {
        this.#used.add(address);
        return address;
      }
    }
  }

  claim(address: string): "claimed" | "outside" | "assigned" {
    const wanted = address.toLowerCase();
    if (!wanted.startsWith(`${this.#prefix}:`)) return "outside";
    if (this.#used.has(wanted)) return "assigned";
    this.#used.add(wanted);
    return "claimed";
  }

  release(address: string): void {
    this.#used.delete(address.toLowerCase());
  }

  #address(host: number): string {
    const low = host % 65_536;
    const high = Math.floor(host / 65_536);
    // A lone zero group must not be shortened (RFC 5952 §4.2.2), and none is left when the host part has more.
    return high === 0
      ? `${this.#prefix}::${low.toString(16)}`
      : `${this.#prefix}::${high.toString(16)}:${low.toString(16)}`;
  }
}
