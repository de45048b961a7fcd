/** `terwayctl audit`: lists the records, the cluster and the cloud, compares them, and says what differs. Changes nothing. */
import { Registry } from "prom-client";
import { compare } from "../audit/compare.ts";
import { confirm, isDrift, secondLookAfterMs, type Finding } from "../audit/findings.ts";
import type { AuditedPod, Listing } from "../audit/listing.ts";
import { toReport, type AuditReport } from "../audit/report.ts";
import { defaultCallsPerMinute } from "../cloud/call.ts";
import { createCloud } from "../cloud/client.ts";
import { creatorTagValue, machineCreatorTagValue, tags } from "../crds/v1beta1/names.ts";
import type { Eni } from "../domain/eni/eni.ts";
import { slimCoreNode, slimNamespace, slimPod } from "../domain/kubernetes/slim.ts";
import { skipGeneratedClasses } from "../kube/client-node.ts";
import { pathOf, resourceTypes, type ResourceType } from "../kube/resources.ts";
import { createTransport } from "../kube/transport.ts";
import { systemClock } from "../runtime/clock.ts";
import { InvariantError, TransientError } from "../runtime/errors.ts";
import { parsePage, refusalOf, withQuery, type Page } from "../runtime/list-watch.ts";
import { createLogger } from "../runtime/log.ts";
import type { KubeObject } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import { connectCloud, regionOf } from "./cloud-connection.ts";
import { loadConfig, type ControlplaneConfig, type CredentialConfig } from "./config.ts";

export interface AuditOptions {
  readonly configPath: string;
  readonly credentialPath: string;
  /** Undefined: the pod's service account. */
  readonly kubeconfigPath: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

const userAgent = "terwayctl/0.1.0";

/**
 * Looks once, and when something differs a second time 20 s later: what both looks show is drift.
 * @throws ConfigError, and the classes of runtime/errors.ts when something could not be listed
 */
export async function audit(options: AuditOptions): Promise<AuditReport> {
  skipGeneratedClasses();
  const { config: given, credential } = loadConfig(options);
  const config = { ...given, regionId: await regionOf(given) };
  const { kubeconfigPath: path } = options;
  const transport = await createTransport({
    source: path === undefined ? { type: "in-cluster" } : { type: "kubeconfig", path },
    userAgent,
    qps: config.kubeClientQps,
    burst: config.kubeClientBurst,
    clock: systemClock,
  });
  const cloud = readOnlyCloud(config, credential);
  const look = (): Promise<Listing> => list(transport, cloud, config, options.signal);
  try {
    let listing = await look();
    let findings: readonly Finding[] = compare(listing);
    if (findings.some(isDrift)) {
      await systemClock.sleep(secondLookAfterMs, options.signal);
      listing = await look();
      findings = confirm(findings, compare(listing));
    }
    return toReport(findings, { nowMs: listing.nowMs, compared: countsOf(listing) });
  } finally {
    cloud.stop();
    await transport.close();
  }
}

type ReadOnlyCloud = ReturnType<typeof readOnlyCloud>;

/** The controlplane's quota is not known here, so a tenth of it is left over for this. */
const shareOfQuota = 0.1;

/** The controlplane's own adapter, with a limit of its own and a fence that lets nothing through. */
function readOnlyCloud(config: ControlplaneConfig, credential: CredentialConfig) {
  const log = createLogger({ level: "error", write: (line) => void process.stderr.write(line) });
  const api = "DescribeNetworkInterfaces";
  const quota = config.rateLimit[api] ?? defaultCallsPerMinute[api];
  return createCloud({
    call: connectCloud({ config, credential, log, userAgent }),
    clock: systemClock,
    random: Math.random,
    logger: log,
    registry: new Registry(),
    regionId: config.regionId,
    vpcId: config.vpcId,
    fence: {
      assertHeld: () => {
        throw new InvariantError("ReadOnly", "the audit changes nothing");
      },
    },
    // Whoever wants the cloud left alone wants no audit either.
    degradation: { level: () => config.degradation, onChange: () => undefined },
    callsPerMinute: { [api]: Math.max(1, Math.floor(quota * shareOfQuota)) },
  });
}

async function list(
  transport: Transport,
  cloud: ReadOnlyCloud,
  config: ControlplaneConfig,
  signal: AbortSignal,
): Promise<Listing> {
  // The objects are read after the cloud: whatever it shows had its intent recorded before it was made.
  const enis = await listEnis(cloud, config, signal);
  const client = new Lister(transport, signal);
  const [pods, coreNodes, namespaces, podNetworkings, podEnis, networkInterfaces, nodeRecords] = await Promise.all([
    client.list<AuditedPod>(resourceTypes.pods, slimAuditedPod),
    client.list<Listing["coreNodes"][number]>(resourceTypes.coreNodes, slimCoreNode),
    client.list<Listing["namespaces"][number]>(resourceTypes.namespaces, slimNamespace),
    client.list<Listing["podNetworkings"][number]>(resourceTypes.podNetworkings),
    client.list<Listing["podEnis"][number]>(resourceTypes.podEnis),
    client.list<Listing["networkInterfaces"][number]>(resourceTypes.networkInterfaces),
    client.list<Listing["nodeRecords"][number]>(resourceTypes.nodeRecords),
  ]);
  return {
    nowMs: client.serverTimeMs ?? systemClock.now(),
    clusterId: config.clusterId,
    isCrdMode: config.ipamType === "crd",
    customStatefulWorkloadKinds: config.customStatefulWorkloadKinds,
    enis,
    pods,
    coreNodes,
    namespaces,
    podNetworkings,
    podEnis,
    networkInterfaces,
    nodeRecords,
  };
}

/** What the caches of the controlplane keep, and the address. */
function slimAuditedPod(pod: AuditedPod): AuditedPod {
  const { podIP } = pod.status ?? {};
  const slim = slimPod(pod);
  return podIP === undefined ? slim : { ...slim, status: { ...slim.status, podIP } };
}

/** By tag, as the collector asks for what is ours; and the VPC's, for trunks, machines and what others have attached. */
async function listEnis({ enis }: ReadOnlyCloud, config: ControlplaneConfig, signal: AbortSignal): Promise<Eni[]> {
  const made = { [tags.clusterId]: config.clusterId };
  const ask = (filter: Parameters<typeof enis.listEnis>[0]) => enis.listEnis(filter, { priority: "gc", signal });
  const found = await Promise.all([
    ask({ vpcId: config.vpcId }),
    ask({ tags: { ...made, [tags.creator]: creatorTagValue } }),
    ask({ type: "Trunk", tags: { ...made, [tags.creator]: machineCreatorTagValue } }),
  ]);
  return [...new Map(found.flat().map((eni) => [eni.eniId, eni])).values()];
}

/** Of objects in a page. */
const pageSize = 500;

class Lister {
  /** Of the last answer that had a `Date`. */
  serverTimeMs: number | undefined;
  readonly #transport: Transport;
  readonly #signal: AbortSignal;

  constructor(transport: Transport, signal: AbortSignal) {
    this.#transport = transport;
    this.#signal = signal;
  }

  /** All objects of a kind, page by page. @param keep what is kept of each */
  async list<T extends KubeObject>(resource: ResourceType, keep: (object: T) => T = (object) => object): Promise<T[]> {
    const objects: T[] = [];
    let page = await this.#page<T>(resource, {});
    objects.push(...page.items.map(keep));
    while (page.continue !== "") {
      page = await this.#page<T>(resource, { continue: page.continue });
      objects.push(...page.items.map(keep));
    }
    return objects;
  }

  async #page<T extends KubeObject>(resource: ResourceType, from: Readonly<Record<string, string>>): Promise<Page<T>> {
    const path = withQuery(pathOf(resource), { limit: String(pageSize), ...from });
    const answer = await this.#transport.request({ method: "GET", path }, this.#signal);
    const page = answer.status === 200 ? parsePage<T>(answer.body) : undefined;
    if (page === undefined) {
      throw new TransientError("ListFailed", refusalOf(answer, `list ${pathOf(resource)}`).failure);
    }
    const atMs = Date.parse(answer.headers["date"] ?? "");
    if (!Number.isNaN(atMs)) this.serverTimeMs = atMs;
    return page;
  }
}

function countsOf(listing: Listing): Readonly<Record<string, number>> {
  return {
    interfaces: listing.enis.length,
    PodENIs: listing.podEnis.length,
    NetworkInterfaces: listing.networkInterfaces.length,
    pods: listing.pods.length,
    nodes: listing.coreNodes.length,
  };
}
