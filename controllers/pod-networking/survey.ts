import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import { isAbort } from "../../runtime/errors.ts";
import type { Clock, Lister, Logger } from "../../runtime/ports.ts";

/** What the survey needs of the world; cmd/planes.ts supplies it. */
export interface PlaneSurveyDeps {
  readonly planes: Pick<Lister<PodNetworking>, "list">;
  readonly vSwitches: {
    /** Looks at all at once; returns those that are found, missing or elsewhere, other than before. */
    survey(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  };
  /** A vSwitch of this plane is not as it was. */
  readonly wake: (plane: string) => void;
  /** A survey failed, as far as anybody could tell for a reason of its own: no plane fails by it. */
  readonly onFailed: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** From one survey to the next. A plane learns within 30 s of a vSwitch that goes or returns, calls and confirmation included. */
const surveyEveryMs = 22_000;

/** Looks at the vSwitches of all planes together, again and again, as long as there are planes. */
export class PlaneSurvey {
  readonly #deps: PlaneSurveyDeps;

  constructor(deps: PlaneSurveyDeps) {
    this.#deps = deps;
  }

  /** Ends when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      await this.#once(signal);
      const restMs = Math.max(0, startedAt + surveyEveryMs - clock.monotonic());
      await clock.sleep(restMs, signal).catch(() => undefined); // It ends with the signal.
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { planes, vSwitches, wake, onFailed, log } = this.#deps;
    const ids = new Set(planes.list().flatMap(vSwitchesOf));
    if (ids.size === 0) return;
    try {
      const changed = new Set(await vSwitches.survey([...ids], signal));
      for (const plane of planes.list()) {
        if (vSwitchesOf(plane).some((id) => changed.has(id))) wake(plane.metadata.name);
      }
    } catch (error) {
      if (isAbort(error) || signal.aborted) return;
      onFailed();
      log.warn("the vSwitches of the planes could not be looked at; the planes stay as they are", { error });
    }
  }
}

function vSwitchesOf({ spec }: PodNetworking): readonly string[] {
  return spec?.vSwitchOptions ?? [];
}
