/** Pods of all sorts that come and go, by seed. */
import { aFixedNetwork, aNamespace, aPlane, aPod, aStatefulSet, type AnyManifest } from "../../e2e/manifests.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Pod } from "../../domain/kubernetes/objects.ts";
import type { Random } from "../../runtime/ports.ts";
import type { Transport } from "../../runtime/transport.ts";
import { apply, remove } from "../../sandbox/apply.ts";
import { landscape } from "../../sandbox/landscape.ts";

const namespace = "soak";
const pods = `/api/v1/namespaces/${namespace}/pods`;
const podEnis = `/apis/network.alibabacloud.com/v1beta1/namespaces/${namespace}/podenis`;
const statefulSets = `/apis/apps/v1/namespaces/${namespace}/statefulsets`;

/** Pods that are there at most, those of the StatefulSets not counted. */
const podsAtMost = 60;
/** Names of pods with fixed addresses, which come again and again. */
const fixedNames = 12;

const never = new AbortController().signal;

export class Population {
  readonly #transport: Transport;
  readonly #random: Random;
  readonly #living: string[] = [];
  #made = 0;
  /** Requests that the API server refused: a webhook whose replica has just been killed, mostly. */
  refused = 0;

  constructor(transport: Transport, random: Random) {
    this.#transport = transport;
    this.#random = random;
  }

  get made(): number {
    return this.#made;
  }

  /** The planes, and two StatefulSets with addresses that stay. */
  async settle(): Promise<void> {
    await apply(this.#transport, aNamespace(namespace));
    await apply(this.#transport, aPlane("elastic"));
    await apply(this.#transport, aPlane("whole", { eniOptions: { eniType: "ENI" } }));
    const kept = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };
    await apply(this.#transport, aPlane("kept", kept));
    for (const name of ["db", "queue"]) {
      await this.#try(() => apply(this.#transport, aStatefulSet({ namespace, name, plane: "kept", replicas: 3 })));
    }
  }

  /** One thing that users do. */
  async act(): Promise<void> {
    const dice = this.#random();
    if (this.#living.length >= podsAtMost || (dice < 0.45 && this.#living.length > podsAtMost / 3)) {
      await this.#end(dice);
    } else if (dice < 0.95) {
      await this.#create();
    } else {
      // A pod of a StatefulSet: it comes again under its name.
      await this.#delete(
        `${["db", "queue"][Math.floor(this.#random() * 2)] ?? "db"}-${Math.floor(this.#random() * 3)}`,
      );
    }
  }

  async #create(): Promise<void> {
    const pod = this.#draw();
    const { name } = pod.metadata;
    if (this.#living.includes(name)) return;
    this.#made += 1;
    if (await this.#try(() => apply(this.#transport, pod))) this.#living.push(name);
  }

  #draw(): AnyManifest {
    const dice = this.#random();
    const name = `pod-${String(this.#made)}`;
    if (dice < 0.5) return aPod({ namespace, name, plane: "elastic" });
    // More than the exclusive machine can carry: some wait for those before them.
    if (dice < 0.6) return aPod({ namespace, name, plane: "whole" });
    if (dice < 0.7) return aPod({ namespace, name, annotations: twoNetworks });
    const times = ["5s", "30s", "1h"];
    const fixed = Math.floor(this.#random() * fixedNames);
    // A name always asks for the same time.
    const annotations = aFixedNetwork(times[fixed % times.length] ?? "5s");
    return aPod({ namespace, name: `fixed-${fixed}`, annotations });
  }

  async #end(dice: number): Promise<void> {
    const [name] = this.#living.splice(Math.floor(this.#random() * this.#living.length), 1);
    if (name === undefined) return;
    if (dice < 0.1) {
      const body = { status: { phase: "Succeeded" } };
      const headers = { "content-type": "application/merge-patch+json" };
      const path = `${pods}/${name}/status`;
      await this.#try(() => this.#transport.request({ method: "PATCH", path, body, headers }, never));
    }
    await this.#delete(name);
  }

  #delete(name: string): Promise<boolean> {
    return this.#try(() => remove(this.#transport, `${pods}/${name}`));
  }

  /** Everything goes, what is kept for ever included. */
  async leave(): Promise<void> {
    for (const name of ["db", "queue"]) await remove(this.#transport, `${statefulSets}/${name}`);
    await remove(this.#transport, pods);
  }

  /** Fixed addresses without pods are given back. */
  async release(): Promise<void> {
    await remove(this.#transport, podEnis);
  }

  /** Pods that exist, those of them that have a node, PodENIs, and how many of them are bound. */
  async count(): Promise<{
    readonly pods: number;
    readonly placed: number;
    readonly records: number;
    readonly bound: number;
  }> {
    const [all, records] = await Promise.all([this.#items<Pod>(pods), this.#items<PodENI>(podEnis)]);
    const isPlaced = ({ spec, status }: Pod): boolean => spec?.nodeName !== undefined && status?.phase !== "Succeeded";
    return {
      pods: all.length,
      placed: all.filter(isPlaced).length,
      records: records.length,
      bound: records.filter(({ status }) => status?.phase === "Bind").length,
    };
  }

  async #items<T>(path: string): Promise<readonly T[]> {
    const { body } = await this.#transport.request({ method: "GET", path }, never);
    return typeof body === "object" && body !== null && "items" in body ? (body.items as readonly T[]) : [];
  }

  async #try(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch {
      this.refused += 1;
      return false;
    }
  }
}

const network = { securityGroupIDs: [landscape.securityGroupId], vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1"] };
const podNetworks = ["eth0", "eth1"].map((name) => ({ ...network, interface: name }));
const twoNetworks = { "k8s.aliyun.com/pod-networks": JSON.stringify({ podNetworks }) };
