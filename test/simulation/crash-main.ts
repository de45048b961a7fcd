/** `npm run test:crash`: tells every story once for each moment at which the leader can die. */
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { stories, tell } from "./crash-points.ts";

const crds = await readCrdManifests();
let points = 0;
let broken = 0;
for (const story of stories) {
  const plain = await tell(story, crds, undefined);
  const expected = plain.finalWorld.join("; ");
  if (plain.violations[0] !== undefined)
    console.log(`${story.name}: ${plain.violations[0].invariant}: ${plain.violations[0].detail}`);
  let bad = 0;
  for (let crashAt = 1; crashAt <= plain.moments; crashAt += 1) {
    const crashed = await tell(story, crds, crashAt);
    points += 1;
    const [violation] = crashed.violations;
    const found = crashed.finalWorld.join("; ");
    if (violation === undefined && found === expected) continue;
    bad += 1;
    if (bad <= 3)
      console.log(
        `${story.name}, dies when it ${crashed.crashedAt} (${crashAt}): ${violation === undefined ? `comes to: ${found}` : `${violation.invariant}: ${violation.detail}`}`,
      );
  }
  broken += bad;
  console.log(`${story.name}: ${plain.moments} points, ${bad} broken; rest: ${expected}`);
}
console.log(`crash points: ${points}, ${broken} broken`);
process.exit(broken === 0 ? 0 : 1);
