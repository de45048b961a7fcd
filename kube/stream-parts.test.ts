/** The small parts of the transport: the client-side limit and the cutting of lines. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import FakeTimers from "@sinonjs/fake-timers";
import fc from "../test/fixtures/property.ts";
import { systemClock } from "../runtime/clock.ts";
import { LineSplitter } from "./line-splitter.ts";
import { TokenBucket } from "./token-bucket.ts";

describe("token bucket", () => {
  let clock: FakeTimers.Clock;
  beforeEach(() => {
    clock = FakeTimers.install();
  });
  afterEach(() => clock.uninstall());

  it("lets a burst through at once and then so many per second, first come first served", async () => {
    const bucket = new TokenBucket(10, 5, systemClock);
    const signal = new AbortController().signal;
    const done: { caller: number; atMs: number }[] = [];
    for (let caller = 0; caller < 25; caller += 1) {
      void bucket.take(signal).then(() => done.push({ caller, atMs: Date.now() }));
    }
    await clock.tickAsync(0);
    expect(done).toHaveLength(5);
    await clock.tickAsync(1000);
    expect(done).toHaveLength(15);
    await clock.tickAsync(1000);
    expect(done.map(({ caller }) => caller)).toEqual([...Array(25).keys()]);
  });

  it("is full again after a quiet time, and no fuller", async () => {
    const bucket = new TokenBucket(10, 5, systemClock);
    const signal = new AbortController().signal;
    await clock.tickAsync(60_000);
    const waits = await Promise.all([1, 2, 3, 4, 5].map(() => bucket.take(signal)));
    expect(waits).toEqual([0, 0, 0, 0, 0]);
    const sixth = bucket.take(signal);
    await clock.tickAsync(100);
    expect(await sixth).toBe(100);
  });

  it("gives the token of an aborted caller back", async () => {
    const bucket = new TokenBucket(1, 1, systemClock);
    const abort = new AbortController();
    await bucket.take(abort.signal);
    const aborted = bucket.take(abort.signal).catch((error: unknown) => error);
    abort.abort();
    await aborted;
    const next = bucket.take(new AbortController().signal);
    await clock.tickAsync(1000);
    expect(await next).toBe(1000);
  });
});

describe("line splitter", () => {
  it("finds the same lines however the bytes arrive", () => {
    const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", ""));
    fc.assert(
      fc.property(fc.array(line), line, fc.integer({ min: 1, max: 7 }), (lines, rest, size) => {
        const bytes = Buffer.from(`${lines.map((text) => `${text}\n`).join("")}${rest}`);
        const splitter = new LineSplitter();
        const found: string[] = [];
        for (let at = 0; at < bytes.length; at += size) found.push(...splitter.push(bytes.subarray(at, at + size)));
        expect(found).toEqual(lines.filter((text) => text !== ""));
        expect(splitter.end()).toBe(rest);
      }),
    );
  });
});
