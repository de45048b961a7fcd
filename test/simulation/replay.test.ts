import { describe, expect, it } from "@jest/globals";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** With machines that were bare, with lost ones, and with a cloud that misbehaves. */
const seeds = [3, 7];

describe("a seed of the simulation", () => {
  it("is the same history, byte for byte, twice in one process and in another process", async () => {
    const [twice, once] = await Promise.all([historiesOf(...seeds, ...seeds), historiesOf(...seeds)]);
    expect(twice).toHaveLength(4);
    expect(Math.min(...twice.map(({ length }) => length))).toBeGreaterThan(10_000);
    // Compared as one text each: a difference of long lists takes minutes to print.
    expect(twice.slice(2).join("\n") === once.join("\n")).toBe(true);
    expect(twice.slice(0, 2).join("\n") === once.join("\n")).toBe(true);
    expect(once[0] === once[1]).toBe(false);
  }, 120_000);
});

/** Of each seed, played in this order by one process. */
async function historiesOf(...wanted: readonly number[]): Promise<readonly string[]> {
  const args = [join(import.meta.dirname, "events-main.ts"), ...wanted.map(String)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 });
  return stdout.split(/^seed \d+\n/m).slice(1);
}
