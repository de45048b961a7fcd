/** Finds a short history that breaks the same promise. */
import type { CustomResourceDefinition } from "../../kube/crd-manifests.ts";
import { runEpisode } from "./episode.ts";
import type { Plot, Scheduled } from "./schedule.ts";

/** Drops halves, quarters … and at last single happenings, as long as the same promise breaks. Source: Zeller, "ddmin". */
export async function shrink(options: {
  readonly seed: number;
  readonly plot: Plot;
  readonly crds: readonly CustomResourceDefinition[];
  readonly invariant: string;
}): Promise<readonly Scheduled[]> {
  const { seed, plot, crds, invariant } = options;
  const breaks = async (schedule: readonly Scheduled[]): Promise<boolean> => {
    const { violations } = await runEpisode({ ...plot, seed, schedule, crds });
    return violations.some((violation) => violation.invariant === invariant);
  };
  let shortest = plot.schedule;
  for (let size = Math.ceil(shortest.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < shortest.length;) {
      const without = [...shortest.slice(0, from), ...shortest.slice(from + size)];
      if (await breaks(without)) shortest = without;
      else from += size;
    }
  }
  return shortest;
}
