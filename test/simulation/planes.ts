/** The PodNetworkings of an episode, and how they are changed, deleted and made anew. */
import type { Transport } from "../../runtime/transport.ts";
import { systemClock } from "../../runtime/clock.ts";
import { apply, type Manifest } from "../../sandbox/apply.ts";
import { aPlane } from "../../e2e/manifests.ts";

const everywhere = ["vsw-hz-h-1", "vsw-hz-i-1", "vsw-hz-h-2"];
const fixed = (releaseAfter: string) => ({ allocationType: { type: "Fixed", releaseStrategy: "TTL", releaseAfter } });

const specs = {
  elastic: { vSwitchOptions: everywhere },
  double: { vSwitchOptions: everywhere, selector: null },
  exclusive: { vSwitchOptions: everywhere, eniOptions: { eniType: "ENI" } },
  kept: fixed("10m"),
  brief: fixed("5m"),
} as const;

export type PlaneName = keyof typeof specs;

export const planeNames = Object.keys(specs) as readonly PlaneName[];

/** Applies the plane as it was, or with other vSwitches, until admission lets it through: it refuses while no replica is ready. */
export async function applyPlane(admin: Transport, name: PlaneName, vSwitches?: readonly string[]): Promise<void> {
  const spec = { ...specs[name], ...(vSwitches !== undefined && { vSwitchOptions: vSwitches }) };
  await applyUntilTaken(admin, aPlane(name, spec));
}

export async function applyUntilTaken(admin: Transport, manifest: Manifest): Promise<void> {
  for (;;) {
    try {
      await apply(admin, manifest);
      return;
    } catch {
      await systemClock.sleep(500);
    }
  }
}
