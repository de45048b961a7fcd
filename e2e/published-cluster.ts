/** A cluster as the published program leaves it: its CRDs, records in every phase, and the interfaces behind them. */
import type { Sandbox } from "../cmd/sandbox-world.ts";
import { readCrdManifests } from "../kube/crd-manifests.ts";
import type { WireParameters } from "../sandbox/alibaba-cloud/api.ts";
import type { NodeSpec } from "../sandbox/cluster/node-specs.ts";
import { landscape } from "../sandbox/landscape.ts";
import { aPod, type AnyManifest } from "./manifests.ts";
import type { Kube } from "./kube.ts";
import { eventually } from "./world.ts";

const group = "network.alibabacloud.com";
const ours = `/apis/${group}/v1beta1`;
const crdsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** Source: the published program's built-in versions. */
const publishedVersions: Readonly<Record<string, string>> = {
  podenis: "v0.4.2",
  podnetworkings: "v0.1.0",
  nodes: "v0.10.0",
  noderuntimes: "v0.1.0",
  networkinterfaces: "v0.1.0",
};

/** An interface in the cloud, with what the records of it say. */
export interface PublishedEni {
  readonly id: string;
  readonly mac: string;
  readonly ip: string;
  readonly node: NodeSpec;
  /** VLAN id; 0 while it is not attached. */
  readonly vid: number;
}

/** What a PodENI and its NetworkInterface say; what is left out is not there. */
export interface PublishedRecord {
  readonly name: string;
  readonly eni: PublishedEni;
  /** @default "" (no status) */
  readonly phase?: string;
  readonly podUid?: string;
  readonly isFixed?: boolean;
  /** With `isFixed`: kept for so long. @default for ever */
  readonly releaseAfter?: string;
  /** @default the one of current releases */
  readonly finalizer?: string;
  /** Phase of its NetworkInterface; empty: it has no status; absent: there is no NetworkInterface. */
  readonly record?: string;
}

/** What it is built in. */
export interface Ground {
  readonly kube: Pick<Kube, "request" | "patch">;
  readonly sandbox: Pick<Sandbox, "cloud">;
}

export class PublishedCluster {
  readonly #world: Ground;
  readonly #namespace: string;

  constructor(world: Ground, namespace: string) {
    this.#world = world;
    this.#namespace = namespace;
  }

  /** The published CRDs: lower versions, without what this program adds to them. */
  async installCrds(): Promise<void> {
    for (const crd of await readCrdManifests()) {
      const spec = JSON.parse(JSON.stringify(crd.spec), withoutAdditions) as object;
      const metadata = {
        name: crd.metadata.name,
        annotations: { [`crd.${group}/version`]: publishedVersions[crd.spec.names.plural] },
      };
      await this.#create(crdsPath, { ...crd, metadata, spec });
    }
    await eventually("PodENIs are served", async () => {
      const { status } = await this.#world.kube.request("GET", `${ours}/podenis`);
      return status === 200;
    });
  }

  /** An interface with the published tags, and only these. */
  async eni(node: NodeSpec, options: { readonly isAttached: boolean }): Promise<PublishedEni> {
    const answer = await this.call("CreateNetworkInterface", {
      VSwitchId: node.zone.endsWith("h") ? "vsw-hz-h-1" : "vsw-hz-i-1",
      "SecurityGroupIds.1": landscape.securityGroupId,
      "Tag.1.Key": "ack.aliyun.com",
      "Tag.1.Value": landscape.clusterId,
      "Tag.2.Key": "creator",
      "Tag.2.Value": "terway-controller",
    });
    const [id, mac, ip] = [answer["NetworkInterfaceId"], answer["MacAddress"], answer["PrivateIpAddress"]].map(String);
    const eni = { id: id!, mac: mac!, ip: ip!, node, vid: 0 };
    return options.isAttached ? { ...eni, vid: await this.#attach(eni) } : eni;
  }

  async call(action: string, parameters: WireParameters): Promise<Readonly<Record<string, unknown>>> {
    const { status, body } = await this.#world.sandbox.cloud.call(
      { product: "ecs", action },
      { RegionId: landscape.regionId, ...parameters },
      landscape.account,
    );
    if (status !== 200) throw new Error(`${action}: ${JSON.stringify(body)}`);
    return body;
  }

  /** A pod that was admitted and scheduled by then; its record is to be as fixed as it asks. @returns its UID */
  async pod(name: string, node: NodeSpec, isFixed = false): Promise<string> {
    const network = {
      interface: "eth0",
      vSwitchOptions: ["vsw-hz-h-1", "vsw-hz-i-1"],
      securityGroupIDs: [landscape.securityGroupId],
      allocationType: allocationTypeOf(isFixed),
    };
    const annotations = {
      "k8s.aliyun.com/pod-eni": "true",
      "k8s.aliyun.com/pod-networks": JSON.stringify({ podNetworks: [network] }),
    };
    const namespace = this.#namespace;
    const pod = aPod({ namespace, name, annotations, spec: { nodeName: node.name } });
    const made = await this.#create(`/api/v1/namespaces/${namespace}/pods`, pod);
    return (made as { readonly metadata: { readonly uid: string } }).metadata.uid;
  }

  /** A PodNetworking that the published webhook let pass, whatever this program's would say. */
  async plane(manifest: AnyManifest): Promise<void> {
    const kinds = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
    const lists = kinds.map((kind) => `/apis/admissionregistration.k8s.io/v1/${kind}`);
    const taken = await Promise.all(lists.map((list) => this.#takeAll(list)));
    await this.#create(`${ours}/podnetworkings`, manifest);
    for (const { list, body } of taken.flat()) await this.#create(list, body);
  }

  /** The PodENI and its NetworkInterface. */
  async record(given: PublishedRecord): Promise<void> {
    const { name, eni, phase = "", podUid = "gone", finalizer = `${group}/pod-eni`, record } = given;
    if (record !== undefined) await this.networkInterface(eni, name, record);
    const namespace = this.#namespace;
    const path = `${ours}/namespaces/${namespace}/podenis`;
    await this.#create(path, {
      apiVersion: `${group}/v1beta1`,
      kind: "PodENI",
      metadata: {
        name,
        namespace,
        finalizers: [finalizer],
        labels: { "k8s.aliyun.com/node": eni.node.name },
        annotations: { "k8s.aliyun.com/pod-uid": podUid },
      },
      spec: {
        zone: eni.node.zone,
        allocations: [
          {
            allocationType: allocationTypeOf(given.isFixed, given.releaseAfter),
            eni: eniOf(eni),
            ipv4: eni.ip,
            interface: "eth0",
            extraConfig: {},
          },
        ],
      },
    });
    if (phase !== "") await this.setPhase(given);
  }

  /** Writes the status of a record; without a phase it has none any more. */
  async setPhase({ name, eni, phase = "" }: PublishedRecord): Promise<void> {
    const isOn = phase !== "Unbind" && phase !== "Binding" && eni.vid > 0;
    const status = {
      phase,
      ...(isOn && { instanceID: eni.node.instanceId, trunkENIID: eni.node.trunkEniId }),
      eniInfos: { [eni.id]: infoOf(eni) },
    };
    await this.#patchStatus(`${ours}/namespaces/${this.#namespace}/podenis/${name}`, phase === "" ? null : status);
  }

  async networkInterface(eni: PublishedEni, podName: string, phase: string): Promise<void> {
    await this.#create(`${ours}/networkinterfaces`, {
      apiVersion: `${group}/v1beta1`,
      kind: "NetworkInterface",
      metadata: { name: eni.id, finalizers: [`${group}/eni`] },
      spec: {
        eni: eniOf(eni),
        ipv4: eni.ip,
        extraConfig: {},
        managePolicy: {},
        podENIRef: { kind: "Pod", namespace: this.#namespace, name: podName },
      },
    });
    if (phase === "") return;
    const isOn = phase !== "Unbind" && eni.vid > 0;
    const where = { instanceID: eni.node.instanceId, trunkENIID: eni.node.trunkEniId, nodeName: eni.node.name };
    await this.#patchStatus(`${ours}/networkinterfaces/${eni.id}`, { phase, eniInfo: infoOf(eni), ...(isOn && where) });
  }

  async #attach({ id, node }: PublishedEni): Promise<number> {
    const trunk = { TrunkNetworkInstanceId: node.trunkEniId ?? "" };
    await this.call("AttachNetworkInterface", { NetworkInterfaceId: id, InstanceId: node.instanceId, ...trunk });
    const attached = await eventually(`${id} is attached`, () =>
      this.#world.sandbox.cloud.enis().find(({ eniId, status }) => eniId === id && status === "InUse"),
    );
    return attached.deviceIndex ?? 0;
  }

  async #create(path: string, body: unknown): Promise<unknown> {
    const answer = await this.#world.kube.request("POST", path, body);
    if (answer.status >= 300) throw new Error(`${path}: HTTP ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Deletes every object of a list; returns them as they can be made again. */
  async #takeAll(list: string): Promise<readonly { readonly list: string; readonly body: object }[]> {
    const { body } = await this.#world.kube.request("GET", list);
    const { items } = body as { readonly items: readonly { readonly metadata: { readonly name: string } }[] };
    for (const { metadata } of items) await this.#world.kube.request("DELETE", `${list}/${metadata.name}`);
    return items.map((item) => ({ list, body: { ...item, metadata: { name: item.metadata.name } } }));
  }

  async #patchStatus(path: string, status: object | null): Promise<void> {
    await this.#world.kube.patch(`${path}/status`, { status });
  }
}

function allocationTypeOf(isFixed = false, releaseAfter?: string): object {
  if (!isFixed) return { type: "Elastic" };
  if (releaseAfter === undefined) return { type: "Fixed", releaseStrategy: "Never" };
  return { type: "Fixed", releaseStrategy: "TTL", releaseAfter };
}

// The published program loses the attachment options of a pod before it writes the record.
function eniOf({ id, mac, node }: PublishedEni): object {
  return {
    id,
    mac,
    zone: node.zone,
    vSwitchID: node.zone.endsWith("h") ? "vsw-hz-h-1" : "vsw-hz-i-1",
    vpcID: landscape.vpcId,
    securityGroupIDs: [landscape.securityGroupId],
    attachmentOptions: {},
  };
}

function infoOf({ id, vid }: PublishedEni): object {
  return vid === 0 ? { id, status: "Unbind" } : { id, type: "Member", vid, status: "Bind", networkCardIndex: 0 };
}

/** A reviver that drops conditions, short names and our columns. */
function withoutAdditions(key: string, value: unknown): unknown {
  return ["conditions", "shortNames", "additionalPrinterColumns"].includes(key) ? undefined : value;
}
