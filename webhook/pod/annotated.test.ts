import { describe, expect, it } from "@jest/globals";
import { aPlane, aPod, decide, mutated, prefix } from "./fixtures.ts";

const planeAnnotation = `${prefix}pod-networking`;
const planes = [aPlane({ name: "matching" }), aPlane({ name: "named", spec: { selector: null } })];

describe("annotations of the user", () => {
  it("that name a plane do not choose it: the selectors do, and the name is corrected", () => {
    const { pod } = mutated(decide({ pod: aPod({ annotations: { [planeAnnotation]: "named" } }), planes }));
    expect(pod.metadata.annotations?.[planeAnnotation]).toBe("matching");
  });

  it("that name a plane do not make a pod use interfaces of its own that matches none", () => {
    const pod = aPod({ labels: {}, annotations: { [planeAnnotation]: "named" } });
    expect(decide({ pod, planes })).toEqual({ type: "allow", message: "not match" });
  });

  it("that list no network leave the choice to the selectors", () => {
    const { pod } = mutated(
      decide({ pod: aPod({ annotations: { [`${prefix}pod-networks`]: '{"podNetworks":[]}' } }), planes }),
    );
    expect(pod.metadata.annotations?.[planeAnnotation]).toBe("matching");
  });
});
