import { sorted, type Finding } from "./findings.ts";
import { compareInterfaces } from "./interfaces.ts";
import { toIndex, type Listing } from "./listing.ts";
import { compareNodes } from "./nodes.ts";
import { comparePodEnis } from "./pod-enis.ts";
import { comparePods } from "./pods.ts";

/** Every difference that one look shows. Pure and total; a look that nothing can be wrong in gives an empty list. */
export function compare(listing: Listing): readonly Finding[] {
  const index = toIndex(listing);
  return sorted([
    ...compareInterfaces(listing, index),
    ...comparePodEnis(listing, index),
    ...comparePods(listing, index),
    ...compareNodes(listing, index),
  ]);
}
