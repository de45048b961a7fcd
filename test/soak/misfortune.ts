/** What goes wrong during a soak, by seed: faults of the cloud, killed and paused replicas. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sandbox } from "../../cmd/sandbox-world.ts";
import { systemClock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/ports.ts";
import { parseFaults } from "../../sandbox/alibaba-cloud/index.ts";

const folder = join(import.meta.dirname, "..", "..", "sandbox", "alibaba-cloud", "scenarios");
const scenarios = ["hostile", "lost-answers", "slow", "throttling", "late-reads", "stuck-detaching"];

export class Misfortune {
  readonly #sandbox: Sandbox;
  readonly #random: Random;
  kills = 0;
  pauses = 0;

  constructor(sandbox: Sandbox, random: Random) {
    this.#sandbox = sandbox;
    this.#random = random;
  }

  /** Another kind of bad day for the cloud, or one on which all is well. @returns its name */
  changeWeather(): string {
    const name = scenarios[Math.floor(this.#random() * (scenarios.length + 1))];
    this.#sandbox.cloud.setFaults(
      name === undefined ? [] : parseFaults(readFileSync(join(folder, `${name}.yaml`), "utf8"), name),
    );
    return name ?? "fair";
  }

  clear(): void {
    this.#sandbox.cloud.setFaults([]);
  }

  /** Kills the replica and starts it again, or stops it for a while; resolves when it is ready again. */
  async befall(index: number): Promise<void> {
    if (this.#random() < 0.5) await this.kill(index);
    else await this.#pause(index);
  }

  async kill(index: number): Promise<void> {
    const replica = this.#sandbox.replicas[index];
    if (replica === undefined) return;
    this.kills += 1;
    replica.process.kill("SIGKILL");
    await replica.process.ended;
    await systemClock.sleep(5_000 * this.#random());
    await this.#untilServing(index);
  }

  /** For less than the lease, or for longer: then another leads, and this one must notice before it acts. */
  async #pause(index: number): Promise<void> {
    const process = this.#sandbox.replicas[index]?.process;
    this.pauses += 1;
    process?.kill("SIGSTOP");
    await systemClock.sleep(1_000 + 14_000 * this.#random());
    process?.kill("SIGCONT");
    // One that lost its lease ends by itself.
    await systemClock.sleep(3_000);
    await this.#untilServing(index);
  }

  /** Starts it again as often as it ends, as a cluster does. @throws Error when it is not ready in two minutes */
  async #untilServing(index: number): Promise<void> {
    const endMs = systemClock.monotonic() + 120_000;
    while (systemClock.monotonic() < endMs) {
      const replica = this.#sandbox.replicas[index];
      if (replica?.process.isRunning !== true) await this.#sandbox.restart(index);
      else if (await isReady(replica.healthUrl)) return;
      await systemClock.sleep(200);
    }
    throw new Error(`replica ${index + 1} was not ready again within two minutes; see its log`);
  }
}

async function isReady(healthUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${healthUrl}/readyz`)).ok;
  } catch {
    return false;
  }
}
