import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { install } from "@sinonjs/fake-timers";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { systemClock } from "../../runtime/clock.ts";
import { ThrottledError } from "../../runtime/errors.ts";
import type { Logger } from "../../runtime/ports.ts";
import { PlaneSurvey } from "./index.ts";

function aPlane(name: string, ...vSwitchOptions: string[]): PodNetworking {
  return { metadata: { name }, spec: { eniOptions: { eniType: "Trunk" }, vSwitchOptions } };
}

describe("the survey of all planes", () => {
  let timers: ReturnType<typeof install>;
  beforeEach(() => {
    timers = install({ now: 1_000_000 });
  });
  afterEach(() => timers.uninstall());

  const aWorld = () => {
    const planes: PodNetworking[] = [];
    const asked: { readonly atMs: number; readonly ids: readonly string[] }[] = [];
    const woken: string[] = [];
    const warnings: string[] = [];
    const answer: { changed: string[]; fails: boolean; takesMs: number } = { changed: [], fails: false, takesMs: 500 };
    let failures = 0;
    const quiet = (): void => undefined;
    const log: Logger = {
      debug: quiet,
      info: quiet,
      error: quiet,
      warn: (text) => void warnings.push(text),
      child: () => log,
    };
    const survey = new PlaneSurvey({
      planes: { list: () => planes },
      vSwitches: {
        survey: async (ids, signal) => {
          asked.push({ atMs: systemClock.now() - 1_000_000, ids });
          await systemClock.sleep(answer.takesMs, signal);
          if (answer.fails) throw new ThrottledError("Throttling.User", "too many calls", 1_000);
          return answer.changed;
        },
      },
      wake: (plane) => void woken.push(plane),
      onFailed: () => void (failures += 1),
      clock: systemClock,
      log,
    });
    const stop = new AbortController();
    return {
      planes,
      asked,
      woken,
      warnings,
      answer,
      failures: () => failures,
      stop: () => stop.abort(),
      run: () => survey.run(stop.signal),
    };
  };

  it("asks nothing without planes, then for the vSwitches of all of them together, every 22 s", async () => {
    const world = aWorld();
    const running = world.run();
    await timers.tickAsync(60_000);
    expect(world.asked).toEqual([]);
    world.planes.push(aPlane("one", "vsw-1", "vsw-2"), aPlane("other", "vsw-2", "vsw-3"));
    await timers.tickAsync(44_000);
    const ids = ["vsw-1", "vsw-2", "vsw-3"];
    expect(world.asked).toEqual([
      { atMs: 66_000, ids },
      { atMs: 88_000, ids },
    ]);
    world.stop();
    await running;
  });

  it("wakes the planes of what has changed, and no other", async () => {
    const world = aWorld();
    world.planes.push(aPlane("one", "vsw-1"), aPlane("other", "vsw-2"), aPlane("both", "vsw-1", "vsw-2"));
    world.answer.changed = ["vsw-2"];
    const running = world.run();
    await timers.tickAsync(1_000);
    expect(world.woken).toEqual(["other", "both"]);
    world.stop();
    await running;
  });

  it("reports a failure, wakes nobody, and goes on", async () => {
    const world = aWorld();
    world.planes.push(aPlane("one", "vsw-1"));
    world.answer.fails = true;
    const running = world.run();
    await timers.tickAsync(23_000);
    expect([world.failures(), world.warnings.length, world.woken.length]).toEqual([2, 2, 0]);
    world.answer.fails = false;
    world.answer.changed = ["vsw-1"];
    await timers.tickAsync(22_000);
    expect(world.woken).toEqual(["one"]);
    world.stop();
    await running;
  });

  it("ends at once with its signal, also in the middle of a look, and calls that no failure", async () => {
    const world = aWorld();
    world.planes.push(aPlane("one", "vsw-1"));
    world.answer.takesMs = 60_000;
    const running = world.run();
    await timers.tickAsync(1_000);
    world.stop();
    await running;
    expect(world.failures()).toBe(0);
  });
});
