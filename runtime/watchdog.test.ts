import { describe, expect, it } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { watchdogExitCode } from "./watchdog.ts";

/** The timer is one of Linux. */
const onLinux = process.platform === "linux" ? describe : describe.skip;

onLinux("a process with a watchdog", () => {
  it.each([
    { does: "is not fed any more", code: "watchdog.feed(300)", exits: watchdogExitCode },
    { does: "is never idle", code: "watchdog.feed(300); for (;;);", exits: watchdogExitCode },
    { does: "is fed in time", code: "setInterval(() => watchdog.feed(1_000), 100)", exits: "lives" },
    { does: "stops it", code: "watchdog.feed(300); watchdog.stop()", exits: "lives" },
    { does: "never feeds it", code: "", exits: "lives" },
  ])("that $does: $exits", async ({ code, exits }) => {
    const child = await aProcess(code);
    expect(await Promise.race([child.ended, sleep(1_500, "lives")])).toBe(exits);
    child.kill("SIGKILL");
  });

  it("executes nothing of its own when it goes on after it was stopped for too long", async () => {
    // Writes without a pause, so that the stop falls into the middle of its work.
    const child = await aProcess('watchdog.feed(400); for (;;) fs.writeSync(1, "x");');
    await sleep(100);
    child.kill("SIGSTOP");
    await sleep(100);
    const written = child.written();
    expect(written).toBeGreaterThan(0);
    await sleep(600);
    child.kill("SIGCONT");
    expect(await child.ended).toBe(watchdogExitCode);
    expect(child.written() - written).toBe(0);
  });

  it("goes on when it was stopped for less than its time", async () => {
    const child = await aProcess("watchdog.feed(60_000)");
    child.kill("SIGSTOP");
    await sleep(200);
    child.kill("SIGCONT");
    expect(await Promise.race([child.ended, sleep(500, "lives")])).toBe("lives");
    child.kill("SIGKILL");
  });
});

/** A process that has made its watchdog and executes `code`; it lives until it is killed, or ended by the watchdog. */
async function aProcess(code: string) {
  const program = `
    import fs from "node:fs";
    import { createWatchdog } from ${JSON.stringify(join(import.meta.dirname, "watchdog.ts"))};
    const watchdog = await createWatchdog();
    setInterval(() => undefined, 1_000);
    fs.writeSync(2, "ready");
    ${code}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "close").then(([status]: unknown[]) => status);
  let written = 0;
  child.stdout.on("data", (chunk: Buffer) => (written += chunk.length));
  await once(child.stderr, "data");
  return { ended, written: () => written, kill: (signal: NodeJS.Signals) => child.kill(signal) };
}
