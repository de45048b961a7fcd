import { describe, expect, it } from "@jest/globals";
import { VirtualClock } from "../test/fixtures/virtual-clock.ts";
import type { Transport, TransportResponse } from "../runtime/transport.ts";
import { createLivePlanes } from "./live-planes.ts";

const signal = new AbortController().signal;

/** An API server whose answers a test gives. */
function aServer() {
  const clock = new VirtualClock();
  const waiting: ((answer: TransportResponse) => void)[] = [];
  let reads = 0;
  const transport: Transport = {
    request: () => {
      reads += 1;
      return new Promise((resolve) => waiting.push(resolve));
    },
    stream: () => Promise.reject(new Error("no watch is asked for")),
  };
  const answer = (names: readonly string[]): void => {
    const items = names.map((name) => ({ metadata: { name, resourceVersion: "1" } }));
    waiting.shift()?.({ status: 200, headers: {}, body: { metadata: { resourceVersion: "1" }, items } });
  };
  return { clock, answer, reads: () => reads, livePlanes: createLivePlanes({ transport, clock }) };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const namesOf = (planes: readonly { readonly metadata: { readonly name: string } }[] | undefined) =>
  planes?.map(({ metadata }) => metadata.name);

describe("a look at the planes past the cache", () => {
  it("is shared by all who ask before it begins, and begins after they asked", async () => {
    const server = aServer();
    const first = server.livePlanes(signal);
    await settle();
    const later = [server.livePlanes(signal), server.livePlanes(signal), server.livePlanes(signal)];
    await settle();
    expect(server.reads()).toBe(1);
    server.answer(["old"]);
    expect(namesOf(await first)).toEqual(["old"]);
    await settle();
    expect(server.reads()).toBe(2);
    server.answer(["old", "new"]);
    expect((await Promise.all(later)).map(namesOf)).toEqual([1, 2, 3].map(() => ["old", "new"]));
  });

  it("knows nothing when there is no answer within two seconds, and then looks anew", async () => {
    const server = aServer();
    const first = server.livePlanes(signal);
    await server.clock.advance(2_100);
    expect(await first).toBeUndefined();
    const second = server.livePlanes(signal);
    await settle();
    expect(server.reads()).toBe(2);
    server.answer([]);
    server.answer([]);
    expect(await second).toEqual([]);
  });
});
