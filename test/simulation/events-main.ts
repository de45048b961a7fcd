/**
 * `node test/simulation/events-main.ts SEED …`: the history of each seed, one after the other: every request that reaches the
 * API server or the cloud, with its time and content.
 */
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import { runEpisode } from "./episode.ts";
import { drawPlot } from "./schedule.ts";

const crds = await readCrdManifests();
for (const seed of process.argv.slice(2).map(Number)) {
  const events: string[] = [];
  await runEpisode({ ...drawPlot(seed), seed, crds, onEvent: (event) => events.push(event) });
  console.log(`seed ${seed}`);
  for (const event of events) console.log(event);
}
