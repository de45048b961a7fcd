import { describe, expect, it } from "@jest/globals";
import type { PodENI } from "../crds/v1beta1/pod-eni.gen.ts";
import { toWireTime } from "../domain/conditions/wire-time.ts";
import { ServerClock } from "../kube/server-clock.ts";
import type { Clock } from "../runtime/ports.ts";
import { World } from "../test/fixtures/controlplane-world.ts";
import fc from "../test/fixtures/property.ts";
import { podGoneCondition } from "./pod/conditions.ts";
import { planPodEni } from "./pod-eni/plan.ts";
import { toState } from "./pod-eni/state.ts";

const startMs = Date.parse("2026-01-01T00:00:00Z");
const ttlMs = 60_000;

/** A replica with a wall clock of its own; it hears the API server's time every two seconds, as a leader's renewals do. */
class Replica implements Clock {
  readonly serverClock = new ServerClock(this);
  readonly #skewMs: number;
  readonly #answerMs: number;
  /** What a right clock, as the API server's, shows. */
  trueMs = startMs;

  constructor(skewMs: number, answerMs: number) {
    this.#skewMs = skewMs;
    this.#answerMs = answerMs;
  }

  now(): number {
    return this.trueMs + this.#skewMs;
  }

  monotonic(): number {
    return this.trueMs - startMs + 1_000;
  }

  sleep(): Promise<void> {
    return Promise.resolve();
  }

  hearUntil(untilMs: number): void {
    while (this.trueMs + this.#answerMs <= untilMs) {
      const sentAtMs = this.monotonic();
      const date = new Date(this.trueMs + this.#answerMs / 2).toUTCString();
      this.trueMs += this.#answerMs;
      this.serverClock.observe(date, sentAtMs);
      this.trueMs = Math.min(untilMs, this.trueMs + 2_000);
    }
    this.trueMs = untilMs;
  }
}

function planOf(podEni: PodENI, replica: Replica) {
  const state = toState({
    podEni,
    pod: undefined,
    node: undefined,
    networkInterface: () => undefined,
    creation: () => ({ type: "none" }),
    isKnownGone: () => true,
    creationHold: () => undefined,
    suspensions: {},
    networkCards: () => undefined,
    vSwitchIsUnusable: () => false,
    vSwitches: new Map(),
    place: "none",
    placesAhead: undefined,
    retryAtMs: undefined,
    needsIpv6: false,
    enableTrunk: true,
    nowMs: replica.now(),
    sharedNowMs: replica.serverClock.bounds().earliestMs,
  });
  return planPodEni(state, () => 0);
}

describe("a fixed address whose pod one replica saw go and that another one releases", () => {
  const anySkew = fc.integer({ min: -86_400_000, max: 86_400_000 });
  const anyAnswer = fc.integer({ min: 2, max: 500 });

  it("goes at its time or up to 5 s later, whatever the clocks of both machines say", () => {
    fc.assert(
      fc.property(
        anySkew,
        anySkew,
        anyAnswer,
        fc.integer({ min: 10_000, max: 70_000 }),
        (one, other, answerMs, seenAfterMs) => {
          const [sees, releases] = [new Replica(one, answerMs), new Replica(other, answerMs)];
          sees.hearUntil(startMs + seenAfterMs);
          const podLastSeen = toWireTime(sees.serverClock.bounds().latestMs);
          const podEni: PodENI = {
            metadata: { name: "db-0", namespace: "default" },
            spec: {
              allocations: [
                {
                  interface: "eth0",
                  allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: `${ttlMs / 1_000}s` },
                },
              ],
            },
            status: {
              phase: "Unbind",
              podLastSeen,
              conditions: [{ ...podGoneCondition(), lastTransitionTime: podLastSeen }],
            },
          };
          // As the work queue does: as long as the plan says.
          releases.hearUntil(startMs + seenAfterMs);
          for (let turn = 0; turn < 20; turn += 1) {
            const { actions, requeueAfterMs } = planOf(podEni, releases);
            if (actions.length > 0) {
              expect(actions).toEqual([{ type: "releaseExpired" }]);
              break;
            }
            releases.hearUntil(releases.trueMs + requeueAfterMs!);
          }
          const lateMs = releases.trueMs - (startMs + seenAfterMs + ttlMs);
          expect(lateMs).toBeGreaterThanOrEqual(0);
          expect(lateMs).toBeLessThanOrEqual(5_000);
        },
      ),
    );
  });
});

describe("the clock of a fixed address", () => {
  it("is said: PodDeleted with the time while it runs, PodExists once the next pod of the name has the address", async () => {
    const world = new World();
    const network = { allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter: "1h" } };
    const present = () => world.podEni()?.status?.conditions?.find(({ type }) => type === "PodPresent");
    const process = world.start();
    world.createPod("node-1", [network]);
    expect(await world.clock.runUntil(() => world.isBound(), 60_000)).toBe(true);
    const eniId = world.podEni()?.spec?.allocations?.[0]?.eni?.id;

    const goneAtMs = world.clock.now();
    world.deletePod();
    expect(await world.clock.runUntil(() => world.phase() === "Unbind", 60_000)).toBe(true);
    expect(present()).toMatchObject({ status: "False", reason: "PodDeleted" });
    const seenAtMs = Date.parse(world.podEni()?.status?.podLastSeen ?? "");
    expect(Math.abs(seenAtMs - goneAtMs)).toBeLessThanOrEqual(5_000);

    world.createPod("node-2", [network]);
    expect(await world.clock.runUntil(() => world.isBound(), 60_000)).toBe(true);
    expect(present()).toMatchObject({ status: "True", reason: "PodExists" });
    expect(world.podEni()?.spec?.allocations?.[0]?.eni?.id).toBe(eniId);
    process.die();
  });
});
