/**
 * The simulated cloud for kind.sh: machines `i-sandbox0001` and on, their trunks, the vSwitches and the security group that
 * config/samples name. Arguments: address to listen on, port, number of machines. Its first line of output is JSON with one
 * object a machine; it stays until it is killed.
 */
import { systemClock } from "../../runtime/clock.ts";
import { seededRandom } from "../../runtime/random.ts";
import { createCloud } from "../../sandbox/alibaba-cloud/index.ts";
import { landscape, layOut } from "../../sandbox/landscape.ts";

const [host = "127.0.0.1", port = "7780", count = "2"] = process.argv.slice(2);
const cloud = createCloud({
  clock: systemClock,
  random: seededRandom("kind"),
  regionId: landscape.regionId,
  accounts: [landscape.account],
});
const machines = layOut(cloud, Number(count));
await cloud.listen({ host, port: Number(port) });
console.log(JSON.stringify(machines.map(({ instanceId, zone, trunkEniId }) => ({ instanceId, zone, trunkEniId }))));
