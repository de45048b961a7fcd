import { describe, expect, it } from "@jest/globals";
import { toSample, toTrends, type Sample } from "./figures.ts";

const totalMs = 180_000;

/** A reading each second; `heapAt` is what is left after a collection, and garbage comes on top. */
function aSoak(heapAt: (share: number) => number, fdsAt: (share: number) => number = () => 40): readonly Sample[] {
  return Array.from({ length: totalMs / 1_000 }, (_, second) => ({
    atMs: second * 1_000,
    rssMiB: 200,
    heapMiB: heapAt(second / (totalMs / 1_000)) + (second % 5) * 10,
    fds: fdsAt(second / (totalMs / 1_000)),
    handles: 20,
  }));
}

const bent = (samples: readonly Sample[]): readonly string[] =>
  toTrends(samples, totalMs)
    .filter(({ isFlat }) => !isFlat)
    .map(({ figure }) => figure);

describe("the trend of a soak", () => {
  it.each([
    { name: "memory that goes up and down with the garbage is flat", samples: aSoak(() => 60), found: [] },
    {
      name: "memory that grows in the first third alone is flat",
      samples: aSoak((share) => (share < 1 / 3 ? 20 + share * 120 : 60)),
      found: [],
    },
    { name: "memory that shrinks is flat", samples: aSoak((share) => 80 - share * 40), found: [] },
    { name: "memory that grows by 5 % a third is flat", samples: aSoak((share) => 100 + share * 14), found: [] },
    {
      name: "memory that grows by a tenth a third is not",
      samples: aSoak((share) => 100 + share * 40),
      found: ["heapMiB"],
    },
    {
      name: "handles that grow are not",
      samples: aSoak(
        () => 60,
        (share) => 40 + Math.floor(share * 12),
      ),
      found: ["fds"],
    },
    { name: "no reading is not", samples: [], found: ["rssMiB", "heapMiB", "fds", "handles"] },
  ])("$name", ({ samples, found }) => {
    expect(bent(samples)).toEqual(found);
  });
});

describe("a reading", () => {
  const text = [
    "# TYPE process_resident_memory_bytes gauge",
    "process_resident_memory_bytes 209715200",
    "nodejs_heap_size_used_bytes 62914560",
    "process_open_fds 41",
    'nodejs_active_handles{type="Socket"} 3',
    "nodejs_active_handles_total 23",
  ];

  it("takes its figures from the metrics", () => {
    expect(toSample(text.join("\n"), 5)).toEqual({ atMs: 5, rssMiB: 200, heapMiB: 60, fds: 41, handles: 23 });
  });

  it("is none when one is missing", () => {
    expect(toSample(text.slice(0, 3).join("\n"), 5)).toBeUndefined();
  });
});
