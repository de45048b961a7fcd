import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { annotations, labels } from "../../crds/v1beta1/names.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { aNamespace, aPlane, aPod, type AnyManifest } from "../../e2e/manifests.ts";
import { eventually } from "../../e2e/world.ts";
import { readCrdManifests } from "../../kube/crd-manifests.ts";
import type { Transport, TransportResponse } from "../../runtime/transport.ts";
import { findPlaneFault } from "../../webhook/pod-networking/decide.ts";
import { decidePod } from "../../webhook/pod/decide.ts";
import type { PodManifest } from "../../webhook/pod/manifest.ts";
import { whyNoControlPlane } from "../envtest/binaries.ts";
import { startControlPlane, type ControlPlane } from "../envtest/control-plane.ts";
import { mergePatch } from "../fixtures/api-table.ts";
import fc from "../fixtures/property.ts";
import { readFiles, type Manifest } from "./manifests.ts";

const missing = whyNoControlPlane(["etcd", "kube-apiserver"]);
const suite = missing === undefined ? describe : describe.skip;

/** Label that ties one plane to the pods, or to the namespace, that try it. */
const caseLabel = "case";
const keys = ["a", "b"];
const values = ["1", "2"];
const someValues = fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 });
const key = fc.constantFrom(...keys);
const anExpression = fc.oneof(
  fc.record({ key, operator: fc.constantFrom("In", "NotIn"), values: someValues }),
  fc.record({ key, operator: fc.constantFrom("Exists", "DoesNotExist") }),
  // Refused by now, but planes from before may have it: it never holds.
  fc.record({ key, operator: fc.constantFrom("In", "Exists"), values: fc.constantFrom([], values) }),
);
const aSelector = fc.record(
  {
    matchLabels: fc.dictionary(key, fc.constantFrom(...values), { maxKeys: 1 }),
    matchExpressions: fc.array(anExpression, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const someLabels = fc.dictionary(key, fc.constantFrom(...values));
const owners = fc.constantFrom(undefined, "StatefulSet", "ReplicaSet");
const aCase = fc.record({
  podSelector: fc.option(aSelector, { nil: undefined }),
  namespaceSelector: fc.option(aSelector, { nil: undefined }),
  type: fc.constantFrom("Elastic", "Fixed"),
  namespaceLabels: someLabels,
  pods: fc.array(fc.record({ labels: someLabels, owner: owners }), { minLength: 5, maxLength: 5 }),
});
/** Planes are made once, and every pod is tried against all of them. */
const cases = fc.sample(aCase, 30);

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly object[];
}

const tied = (selector: Selector | undefined, name: string): Selector | undefined =>
  selector && {
    ...selector,
    matchExpressions: [...(selector.matchExpressions ?? []), { key: caseLabel, operator: "In", values: [name] }],
  };

const casePlanes = cases.map(({ podSelector, namespaceSelector, type }, index) => {
  const name = `case-${index}`;
  // Tied by the pod's label, or by the namespace's where the plane does not look at the pod.
  const selector = {
    ...(podSelector && { podSelector: tied(podSelector, name) }),
    ...(namespaceSelector && { namespaceSelector: podSelector ? namespaceSelector : tied(namespaceSelector, name) }),
  };
  return aPlane(name, { allocationType: { type }, selector });
});

const retention = (releaseStrategy: string | undefined, releaseAfter: string | undefined) => ({
  allocationType: {
    type: "Fixed",
    ...(releaseStrategy && { releaseStrategy }),
    ...(releaseAfter && { releaseAfter }),
  },
});

suite(`the admission policies${missing === undefined ? "" : ` (${missing})`}`, () => {
  let controlPlane: ControlPlane;
  let transport: Transport;
  let directory: string;

  const send = (method: "POST" | "PATCH" | "GET" | "PUT", path: string, body?: unknown): Promise<TransportResponse> => {
    const headers = method === "PATCH" ? { "content-type": "application/merge-patch+json" } : {};
    return transport.request(
      { method, path, headers, ...(body !== undefined && { body }) },
      AbortSignal.timeout(20_000),
    );
  };
  const create = async (path: string, body: unknown): Promise<void> => {
    const answer = await send("POST", path, body);
    if (answer.status >= 300) throw new Error(`${path}: ${messageOf(answer)}`);
  };
  /** The words of the refusal; undefined when the pod would be stored. */
  const refusalOfPod = async (pod: AnyManifest): Promise<string | undefined> => {
    const namespace = pod.metadata.namespace ?? "default";
    return refusal(await send("POST", `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod));
  };
  const refusalOfPlane = async (plane: AnyManifest): Promise<string | undefined> =>
    refusal(await send("POST", `${planesPath}?dryRun=All`, plane));

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "terway-policies-"));
    controlPlane = await startControlPlane({ directory });
    ({ transport } = controlPlane);
    await Promise.all(
      (await readCrdManifests()).map((crd) => create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)),
    );
    await eventually("PodNetworkings are served", async () => (await send("GET", planesPath)).status === 200);
    await create(planesPath, aPlane("old", { vSwitchOptions: [], securityGroupIDs: [] }));
    await create(planesPath, aPlane("hasty", retention("TTL", "1m")));
    // Before the policies, because some have selectors that are refused by now.
    for (const plane of casePlanes) await create(planesPath, plane);
    for (const policy of readFiles("config/webhook/policies.yaml")) await create(pathOfPolicy(policy), policy);
    await create("/api/v1/namespaces", aNamespace("shop", { team: "shop" }));
    await create("/api/v1/namespaces", aNamespace("out", { [annotations.podEni]: "false" }));
    for (const [index, { namespaceLabels }] of cases.entries()) {
      await create(
        "/api/v1/namespaces",
        aNamespace(`case-${index}`, { ...namespaceLabels, [caseLabel]: `case-${index}` }),
      );
    }
    await create(planesPath, aPlane("asked", { selector: {} }));
    await create(planesPath, aPlane("fixed", { allocationType: { type: "Fixed" } }));
    await create(planesPath, aPlane("elastic"));
    // The plane that is made last is the last that the policy learns of.
    await eventually("the policy knows the planes", async () =>
      refusalOfPod(aPod({ namespace: "shop", name: "probe", plane: "elastic" })),
    );
    await eventually("the other policy is there", async () => refusalOfPlane(aPlane("probe", { vSwitchOptions: [] })));
  }, 120_000);

  afterAll(async () => {
    await controlPlane.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 30_000);

  it("name the plane and what to do when a pod of it was not admitted", async () => {
    const words = await refusalOfPod(aPod({ namespace: "shop", name: "a", plane: "elastic" }));
    expect(words).toContain("PodNetworking elastic is for this pod");
    expect(words).toContain("kubectl -n kube-system get pods -l k8s-app=terway-controlplane");
    expect(words).toContain("k8s.aliyun.com/ignore-by-terway=true");
  });

  const admitted = {
    [annotations.podEni]: "true",
    [annotations.podNetworks]: '{"podNetworks":[{"interface":"eth0"}]}',
  };
  const ownedBy = (kind: string) => ({ ownerReferences: [{ apiVersion: "apps/v1", kind, name: "o", uid: "u" }] });
  it.each([
    { why: "belongs to no plane", pod: {}, refused: false },
    { why: "belongs to a plane", pod: { plane: "elastic" }, refused: true },
    { why: "was admitted", pod: { plane: "elastic", annotations: admitted }, refused: false },
    {
      why: "says that it wants an interface, and has none",
      pod: { plane: "elastic", annotations: { [annotations.podEni]: "true" } },
      refused: true,
    },
    {
      why: "says which networks, and was not admitted",
      pod: { plane: "elastic", annotations: { [annotations.podNetworks]: admitted[annotations.podNetworks] } },
      refused: true,
    },
    { why: "uses the network of its machine", pod: { plane: "elastic", spec: { hostNetwork: true } }, refused: false },
    { why: "is to be left alone", pod: { plane: "elastic", labels: { [labels.ignore]: "true" } }, refused: false },
    { why: "is not to be left alone", pod: { plane: "elastic", labels: { [labels.ignore]: "yes" } }, refused: true },
    { why: "is in a namespace without interfaces", pod: { plane: "elastic", namespace: "out" }, refused: false },
    { why: "asks for a plane by name", pod: { annotations: request("asked") }, refused: true },
    { why: "asks for another name", pod: { annotations: request("aske") }, refused: false },
    { why: "keeps its name and its plane is Fixed", pod: { plane: "fixed" }, refused: true },
    {
      why: "is of a StatefulSet and its plane is Fixed",
      pod: { plane: "fixed" },
      meta: ownedBy("StatefulSet"),
      refused: true,
    },
    {
      why: "is of a ReplicaSet and its plane is Fixed",
      pod: { plane: "fixed" },
      meta: ownedBy("ReplicaSet"),
      refused: false,
    },
  ])("refuse ($refused) a pod that $why", async ({ pod, meta = {}, refused }) => {
    const manifest = aPod({ namespace: "shop", name: "a", ...pod });
    const words = await refusalOfPod({ ...manifest, metadata: { ...manifest.metadata, ...meta } });
    expect(words === undefined).toBe(!refused);
  });

  it("refuse exactly the pods that admission would not have let pass as they are", async () => {
    const planes = casePlanes as unknown as readonly Plane[];
    const outcomes = await Promise.all(
      cases.flatMap(({ pods, namespaceLabels }, index) =>
        pods.map(async (one, number) => {
          const namespace = `case-${index}`;
          const manifest = aPod({ namespace, name: `p-${number}`, labels: { ...one.labels, [caseLabel]: namespace } });
          const pod = { ...manifest, metadata: { ...manifest.metadata, ...(one.owner && ownedBy(one.owner)) } };
          const decision = decidePod({
            pod: pod as unknown as PodManifest,
            podKey: "",
            planes,
            namespaceLabels: { ...namespaceLabels, [caseLabel]: namespace, "kubernetes.io/metadata.name": namespace },
            podEni: undefined,
            eniConfig: undefined,
            config: {
              enableTrunk: true,
              enableWebhookInjectResource: true,
              isCrdMode: false,
              customStatefulWorkloadKinds: [],
            },
          });
          const refused = (await refusalOfPod(pod)) !== undefined;
          return { namespace, pod: one, refused, expected: decision.type !== "allow" };
        }),
      ),
    );
    expect(outcomes.filter(({ refused, expected }) => refused !== expected)).toEqual([]);
    // Both kinds of pods were there.
    expect(outcomes.filter(({ expected }) => expected).length).toBeGreaterThan(20);
    expect(outcomes.filter(({ expected }) => !expected).length).toBeGreaterThan(20);
  }, 60_000);

  const many = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `sg-${index}`);
  const withTerm = (part: string, term: object) => ({ selector: { [part]: { matchExpressions: [term] } } });
  const specs: readonly { readonly why: string; readonly spec: object }[] = [
    { why: "is complete", spec: {} },
    { why: "has no vSwitch", spec: { vSwitchOptions: [] } },
    { why: "has no security group", spec: { securityGroupIDs: [] } },
    { why: "has ten security groups", spec: { securityGroupIDs: many(10) } },
    { why: "has eleven security groups", spec: { securityGroupIDs: many(11) } },
    { why: "has no selector", spec: { selector: {} } },
    ...[
      ...[
        "5m",
        "4m59s",
        "300s",
        "299999ms",
        "10m",
        "1h30m",
        "1.5s",
        ".5s",
        "5.s",
        "+5s",
        "0",
        "-0",
        "-0s",
        "300ms",
        "1us",
        "2µs",
        "3μs",
        "4ns",
      ],
      ...["", "10", "-5s", "-0.5s", "5", "soon", "1d", "s", ".s", "1h 5m", " 5s", "5s\n"],
    ].flatMap((time) =>
      ["TTL", "Never", undefined].map((strategy) => ({
        why: `has releaseStrategy ${strategy} and releaseAfter ${JSON.stringify(time)}`,
        spec: retention(strategy, time),
      })),
    ),
    ...["podSelector", "namespaceSelector"].flatMap((part) =>
      [
        { key: "a", operator: "In", values: ["1"] },
        { key: "a", operator: "In", values: [] },
        { key: "a", operator: "In" },
        { key: "a", operator: "NotIn" },
        { key: "a", operator: "Exists" },
        { key: "a", operator: "Exists", values: ["1"] },
        { key: "a", operator: "DoesNotExist" },
        { key: "a", operator: "DoesNotExist", values: ["1"] },
        { key: "a", operator: "Is", values: ["1"] },
        { key: "", operator: "Exists" },
      ].map((term) => ({ why: `has the ${part} ${JSON.stringify(term)}`, spec: withTerm(part, term) })),
    ),
  ];

  it.each(specs)("decide as admission about a plane that $why", async ({ spec }) => {
    const plane = aPlane("candidate", { ...spec });
    const fault = findPlaneFault(plane, true);
    const words = await refusalOfPlane(plane);
    expect({ refused: words !== undefined, words }).toMatchObject({ refused: fault !== undefined });
    // The words of the rules that need none of the object's own are the published ones.
    if (fault !== undefined && !fault.includes("elector")) expect(words).toContain(fault.trimEnd());
  });

  it.each([
    { what: "something else", patch: { securityGroupIDs: ["sg-2"] } },
    { what: "the same time", patch: { allocationType: { releaseAfter: "1m" } } },
    { what: "a longer time", patch: { allocationType: { releaseAfter: "5m" } } },
    { what: "another short time", patch: { allocationType: { releaseAfter: "2m" } } },
    { what: "no retention", patch: { allocationType: null } },
  ])("decide as admission about $what in a plane that keeps addresses for a minute", async ({ patch }) => {
    const { body } = await send("GET", `${planesPath}/hasty`);
    const answer = await send("PATCH", `${planesPath}/hasty?dryRun=All`, { spec: patch });
    const updated = mergePatch(body, { spec: patch }) as Plane;
    const fault = findPlaneFault(updated, true, body as Plane);
    const words = refusal(answer);
    expect({ refused: words !== undefined, words }).toMatchObject({ refused: fault !== undefined });
    if (fault !== undefined) expect(words).toContain(fault);
  });

  it.each([
    { what: "labels", path: "", patch: { metadata: { labels: { a: "b" } } }, refused: false },
    { what: "finalizers", path: "", patch: { metadata: { finalizers: ["example.com/f"] } }, refused: false },
    { what: "its status", path: "/status", patch: { status: { status: "Fail" } }, refused: false },
    { what: "its spec", path: "", patch: { spec: { eniOptions: { eniType: "ENI" } } }, refused: true },
  ])("refuse ($refused) a change of $what of a plane from before the rules", async ({ path, patch, refused }) => {
    const answer = await send("PATCH", `${planesPath}/old${path}?dryRun=All`, patch);
    expect(refusal(answer) !== undefined).toBe(refused);
  });
});

const planesPath = "/apis/network.alibabacloud.com/v1beta1/podnetworkings";

function request(network: string): Readonly<Record<string, string>> {
  return { [annotations.podNetworksRequest]: JSON.stringify([{ network, interfaceName: "eth0" }]) };
}

function pathOfPolicy({ kind }: Manifest): string {
  const plurals: Readonly<Record<string, string>> = {
    ValidatingAdmissionPolicy: "validatingadmissionpolicies",
    ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
  };
  return `/apis/admissionregistration.k8s.io/v1/${plurals[kind]}`;
}

function messageOf({ body }: TransportResponse): string {
  const { message } = body as { readonly message?: string };
  return message ?? JSON.stringify(body);
}

/** @throws Error when the answer is neither success nor the refusal of a policy */
function refusal(answer: TransportResponse): string | undefined {
  if (answer.status < 300) return undefined;
  const message = messageOf(answer);
  if (message.includes("ValidatingAdmissionPolicy")) return message;
  throw new Error(`HTTP ${answer.status}: ${message}`);
}
