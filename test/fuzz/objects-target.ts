/** Every decision on objects that the schemas let pass: a result, and never the exception of a mistake. */
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Node } from "../../crds/v1beta1/node.gen.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { PodNetworking } from "../../crds/v1beta1/pod-networking.gen.ts";
import type { CoreNode, Pod } from "../../domain/kubernetes/objects.ts";
import { checkMachineDecisions } from "./machine-decisions.ts";
import { checkPodDecisions } from "./pod-decisions.ts";
import { drawObject, isValid, type SchemaName } from "./schemas.ts";
import type { Draw } from "./draw.ts";
import { listOf, membersOf, numberOf, promise, type Json, type Target } from "./target.ts";

/** What the caches hold of one pod and its machine. */
export interface Objects {
  readonly pod: Pod | undefined;
  readonly coreNode: CoreNode | undefined;
  readonly node: Node | undefined;
  readonly podEni: PodENI | undefined;
  readonly planes: readonly PodNetworking[];
  readonly networkInterfaces: readonly NetworkInterface[];
  /** Drawn once per input: what a process knows, and the time. */
  readonly luck: number;
}

const kinds = { pod: "pod", coreNode: "coreNode", node: "node", podEni: "podEni" } as const satisfies Record<
  string,
  SchemaName
>;

export const objects: Target = {
  name: "objects",
  weight: 1.5,
  draw: (draw) => ({
    ...draw.some(
      Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, () => drawObject(draw, kind)])),
      0.9,
    ),
    planes: draw.list(3, () => drawObject(draw, "plane")),
    networkInterfaces: draw.list(3, () => drawObject(draw, "networkInterface")),
    luck: drawLuck(draw),
  }),
  isValid: areValid,
  check: (input) => {
    const seen = toObjects(input);
    // Drawn objects are valid; that this is so is looked at now and then, for it takes as long as all else.
    if (seen.luck % 32 === 0) promise(areValid(input), "a drawn object is not valid");
    checkPodDecisions(seen);
    checkMachineDecisions(seen);
  },
};

function drawLuck(draw: Draw): number {
  return draw.below(2 ** 30);
}

/** The API server stores no other objects. */
function areValid(input: Json): boolean {
  const { planes, networkInterfaces, luck, ...others } = membersOf(input);
  const entries = Object.entries(kinds).filter(([name]) => others[name] !== undefined);
  return (
    entries.every(([name, kind]) => isValid(kind, others[name] ?? null)) &&
    listOf(planes).every((plane) => isValid("plane", plane)) &&
    listOf(networkInterfaces).every((record) => isValid("networkInterface", record))
  );
}

function toObjects(input: Json): Objects {
  const { planes, networkInterfaces, luck, ...others } = membersOf(input);
  return {
    ...(others as unknown as Pick<Objects, keyof typeof kinds>),
    planes: listOf(planes) as unknown as readonly PodNetworking[],
    networkInterfaces: listOf(networkInterfaces) as unknown as readonly NetworkInterface[],
    luck: numberOf(luck),
  };
}
