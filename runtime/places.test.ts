import { describe, expect, it } from "@jest/globals";
import fc from "../test/fixtures/property.ts";
import { Places } from "./places.ts";

/** Lets p-queue hand out what is free. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

function somePlaces(limit: number) {
  const granted: string[] = [];
  const places = new Places({ limit });
  places.onGranted((key) => granted.push(key));
  return { places, granted };
}

describe("Places", () => {
  it("grants up to the limit and says where the others stand", async () => {
    const { places, granted } = somePlaces(2);
    for (const key of ["a", "b", "c", "d"]) places.request(key, 0);
    expect(granted).toEqual([]);
    await settle();
    expect(granted).toEqual(["a", "b"]);
    expect([places.inUse, places.waiting, places.limit]).toEqual([2, 2, 2]);
    expect([places.holds("a"), places.isWaiting("a"), places.position("a")]).toEqual([true, false, undefined]);
    expect([places.holds("d"), places.isWaiting("d"), places.position("d")]).toEqual([false, true, 2]);
  });

  it("serves a higher priority first, equal ones in order of arrival", async () => {
    const { places, granted } = somePlaces(1);
    places.request("first", 0);
    await settle();
    places.request("elastic-1", 0);
    places.request("fixed-1", 10);
    places.request("elastic-2", 0);
    places.request("fixed-2", 10);
    await settle();
    expect(["fixed-1", "fixed-2", "elastic-1", "elastic-2"].map((key) => places.position(key))).toEqual([1, 2, 3, 4]);
    for (let round = 0; round < 4; round++) {
      places.release(granted.at(-1)!);
      await settle();
    }
    expect(granted).toEqual(["first", "fixed-1", "fixed-2", "elastic-1", "elastic-2"]);
  });

  it("grants a key that asks twice once, and takes one release", async () => {
    const { places, granted } = somePlaces(2);
    places.request("a", 0);
    places.request("a", 0);
    await settle();
    places.request("a", 5);
    await settle();
    expect(granted).toEqual(["a"]);
    places.release("a");
    places.release("a");
    expect(places.inUse).toBe(0);
  });

  it("moves a waiting key that asks with another priority", async () => {
    const { places, granted } = somePlaces(1);
    for (const key of ["a", "b", "c"]) places.request(key, 0);
    await settle();
    places.request("c", 9);
    await settle();
    places.release("a");
    await settle();
    expect(granted).toEqual(["a", "c"]);
  });

  it("withdraws a waiting request, which may ask again later", async () => {
    const { places, granted } = somePlaces(1);
    for (const key of ["a", "b", "c"]) places.request(key, 0);
    await settle();
    places.release("b");
    expect(places.waiting).toBe(1);
    places.request("b", 0);
    await settle();
    places.release("a");
    await settle();
    places.release("c");
    await settle();
    expect(granted).toEqual(["a", "c", "b"]);
  });

  it("goes on when a listener throws", async () => {
    const places = new Places({ limit: 1 });
    places.onGranted(() => {
      throw new Error("listener");
    });
    places.request("a", 0);
    await settle();
    expect(places.holds("a")).toBe(true);
    places.release("a");
    places.request("b", 0);
    await settle();
    expect(places.holds("b")).toBe(true);
  });

  it("never exceeds the limit, forgets nobody and leaves no place empty while someone waits (property)", async () => {
    const command = fc.record({
      key: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      type: fc.constantFrom("request", "request", "release", "settle"),
      priority: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(command, { maxLength: 50 }),
        async (limit, commands) => {
          const { places } = somePlaces(limit);
          places.onGranted(() => expect(places.inUse).toBeLessThanOrEqual(limit));
          const wanted = new Set<string>();
          for (const { key, type, priority } of commands) {
            if (type === "request") places.request(key, priority);
            if (type === "request") wanted.add(key);
            if (type === "release") places.release(key);
            if (type === "release") wanted.delete(key);
            if (type === "settle") await settle();
            for (const one of ["a", "b", "c", "d", "e", "f"]) {
              expect(places.holds(one) || places.isWaiting(one)).toBe(wanted.has(one));
            }
          }
          await settle();
          expect(places.inUse).toBe(Math.min(limit, wanted.size));
          for (let round = 0; round < 10; round++) {
            for (const key of wanted) if (places.holds(key) && wanted.delete(key)) places.release(key);
            await settle();
          }
          expect([wanted.size, places.inUse, places.waiting]).toEqual([0, 0, 0]);
        },
      ),
      { numRuns: 150 },
    );
  });
});
