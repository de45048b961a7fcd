import { describe, expect, it } from "@jest/globals";
import { hashOf, runAll } from "./workload-pods.ts";

describe("hashOf", () => {
  it("does not depend on the order of fields, nor on nulls and empty objects that a client spells out", () => {
    const short = { metadata: { labels: { a: "1", b: "2" } }, spec: { containers: [{ name: "c" }] } };
    const long = {
      spec: { securityContext: {}, containers: [{ resources: {}, name: "c" }] },
      metadata: { creationTimestamp: null, labels: { b: "2", a: "1" } },
    };
    expect(hashOf(long)).toBe(hashOf(short));
    expect(hashOf(short)).toMatch(/^[a-z0-9]{10}$/);
  });

  it("changes with any value", () => {
    expect(hashOf({ spec: { containers: [{ image: "app:1" }] } })).not.toBe(
      hashOf({ spec: { containers: [{ image: "app:2" }] } }),
    );
  });
});

describe("runAll", () => {
  it("goes on after a failure, throws the first one, and leaves the rest when everything fails", async () => {
    const done: number[] = [];
    const numbers = Array.from({ length: 100 }, (_, index) => index);
    const failOnTwo = async (value: number): Promise<void> => {
      await Promise.resolve();
      if (value === 2) throw new Error("two");
      done.push(value);
    };
    await expect(runAll(numbers, failOnTwo)).rejects.toThrow("two");
    expect(done).toHaveLength(99);
    let attempts = 0;
    const fail = async (): Promise<void> => {
      attempts++;
      await Promise.reject(new Error("down"));
    };
    await expect(runAll(numbers, fail)).rejects.toThrow("down");
    expect(attempts).toBeLessThan(100);
  });
});
