import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { Ipv4Pool, Ipv6Pool } from "./address-pool.ts";

describe("the IPv4 addresses of a vSwitch", () => {
  it("are those of its block, less the four that the cloud keeps, each given once", () => {
    const pool = new Ipv4Pool("192.168.1.16/29");
    const taken = Array.from({ length: 5 }, () => pool.take());
    expect(taken).toEqual(["192.168.1.17", "192.168.1.18", "192.168.1.19", "192.168.1.20", undefined]);
    pool.release("192.168.1.18");
    expect(pool.take()).toBe("192.168.1.18");
  });

  it("can be made scarce and plenty again", () => {
    const pool = new Ipv4Pool("10.0.0.0/24");
    pool.take();
    pool.setFree(0);
    expect(pool.take()).toBeUndefined();
    pool.setFree(2);
    expect([pool.take(), pool.take(), pool.take()].filter((address) => address !== undefined)).toHaveLength(2);
  });

  it("can be claimed by name", () => {
    const pool = new Ipv4Pool("10.0.0.0/24");
    expect(pool.claim("10.0.0.9")).toBe("claimed");
    expect(pool.claim("10.0.0.9")).toBe("assigned");
    expect(["10.0.0.0", "10.0.0.253", "10.0.1.1", "nonsense"].map((address) => pool.claim(address))).toEqual(
      Array(4).fill("outside"),
    );
  });

  it("are never given twice, whatever is taken and released", () => {
    const steps = fc.array(fc.oneof(fc.constant("take"), fc.nat(200)), { maxLength: 300 });
    fc.assert(
      fc.property(steps, (actions) => {
        const pool = new Ipv4Pool("10.0.0.0/25");
        const held: string[] = [];
        for (const action of actions) {
          if (typeof action === "number") {
            const [given] = held.splice(action, 1);
            if (given !== undefined) pool.release(given);
          } else {
            const address = pool.take();
            expect(address === undefined).toBe(held.length === 124);
            if (address !== undefined) held.push(address);
          }
          expect(new Set(held).size).toBe(held.length);
          expect(pool.free).toBe(124 - held.length);
        }
      }),
    );
  });

  it.each(["10.0.0.0/8", "10.0.0.0/30", "fd00::/64", "10.0.0.0"])("%s is no vSwitch", (cidr) => {
    expect(() => new Ipv4Pool(cidr)).toThrow(RangeError);
  });
});

describe("the IPv6 addresses of a vSwitch", () => {
  it("are of its block and given once", () => {
    const pool = new Ipv6Pool("2408:4005:3AA:4f00::/64");
    expect(pool.claim("2408:4005:3aa:4f00::2")).toBe("claimed");
    expect([pool.take(), pool.take()]).toEqual(["2408:4005:3aa:4f00::1", "2408:4005:3aa:4f00::3"]);
    expect(pool.claim("2408:4005:3aa:4f00::3")).toBe("assigned");
    expect(pool.claim("2408:4005:3aa:4f01::3")).toBe("outside");
  });
  it("need a block of /64", () => {
    expect(() => new Ipv6Pool("2408:4005::/32")).toThrow(RangeError);
  });
});
