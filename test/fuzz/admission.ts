/** Admission as it is served, on caches that a fuzz input fills, and what it promises of every answer. */
import { applyPatch, type Operation } from "rfc6902";
import { schedulingGate } from "../../crds/v1beta1/names.ts";
import type { EniConfig } from "../../domain/pod-network/eni-config.ts";
import type { Plane } from "../../domain/pod-network/plane.ts";
import type { PodEniRecord } from "../../domain/pod-network/zone-affinity.ts";
import { createRoutes } from "../../webhook/routes.ts";
import { answerAdmission } from "../../webhook/server.ts";
import { listOf, membersOf, promise, type Json } from "./target.ts";

/** What the caches hold, and how the program is set. */
export interface AdmissionWorld {
  readonly planes: readonly Plane[];
  readonly record: PodEniRecord | undefined;
  readonly config: {
    readonly enableTrunk: boolean;
    readonly enableWebhookInjectResource: boolean;
    readonly isCrdMode: boolean;
    readonly customStatefulWorkloadKinds: readonly string[];
  };
}

const eniConfig: EniConfig = { vSwitchIds: ["vsw-d"], securityGroupIds: ["sg-d"], ipStack: "ipv4" };

/** Planes and records are what the schema lets pass; `settings` is read as truth values. */
export function toWorld(
  planes: Json | undefined,
  record: Json | undefined,
  settings: Json | undefined,
): AdmissionWorld {
  const given = membersOf(settings);
  const named = listOf(planes).filter((plane) => typeof membersOf(membersOf(plane)["metadata"])["name"] === "string");
  return {
    planes: named as unknown as readonly Plane[],
    record: membersOf(record)["metadata"] === undefined ? undefined : (record as unknown as PodEniRecord),
    config: {
      enableTrunk: given["enableTrunk"] === true,
      enableWebhookInjectResource: given["inject"] === true,
      isCrdMode: given["crd"] === true,
      customStatefulWorkloadKinds: ["CloneSet"],
    },
  };
}

export type Path = "/mutating" | "/validate";

/** The answer to a body, as the HTTP server gives it. */
export async function ask(world: AdmissionWorld, path: Path, body: Iterable<Buffer>) {
  const namespace = { metadata: { name: "ns", labels: { app: "web" } } };
  const routes = createRoutes({
    planes: { list: () => world.planes },
    livePlanes: () => Promise.resolve(world.planes),
    pods: { get: () => undefined, byIndex: () => [] },
    podEnis: { get: () => world.record, byIndex: () => [] },
    namespaces: { lister: { get: () => namespace }, getLive: () => Promise.resolve(namespace) },
    eniConfig: { get: () => Promise.resolve(eniConfig) },
    recorder: { event: () => undefined },
    config: world.config,
  });
  const request = {
    method: "POST",
    headers: { "content-type": "application/json" },
    // eslint-disable-next-line @typescript-eslint/require-await -- an async iterable whose parts are there already
    async *[Symbol.asyncIterator]() {
      yield* body;
    },
  };
  return await answerAdmission(request, routes[path]!, 60_000);
}

interface Response {
  readonly allowed: boolean;
  readonly message: string;
  readonly patch: readonly Operation[];
}

/**
 * Asks, and checks the promises: an AdmissionReview or a status of 400 to 499; a patch that applies, that changes only what
 * admission is for, and after which there is nothing more to change. Returns the HTTP status.
 */
export async function checkAnswer(world: AdmissionWorld, path: Path, body: Buffer): Promise<number> {
  const answer = await ask(world, path, [body]);
  if ("error" in answer) {
    if (answer.status >= 500 && answer.error instanceof Error) throw answer.error;
    promise(answer.status >= 400 && answer.status < 500, `status ${answer.status}`);
    return answer.status;
  }
  const asked = membersOf(JSON.parse(body.toString("utf8")) as Json);
  const response = toResponse(answer.body, asked);
  if (response.patch.length > 0) await checkPatch(world, path, asked, response);
  return 200;
}

function toResponse(text: string, asked: Readonly<Record<string, Json>>): Response {
  const review = membersOf(JSON.parse(text) as Json);
  const response = membersOf(review["response"]);
  promise(
    review["kind"] === "AdmissionReview" && review["apiVersion"] === asked["apiVersion"],
    "another kind or version",
  );
  promise(response["uid"] === membersOf(asked["request"])["uid"], "another uid");
  promise(typeof response["allowed"] === "boolean", "allowed is no boolean");
  const { code, message = "" } = membersOf(response["status"]);
  promise(code === (response["allowed"] ? 200 : 403) || code === 500, `code ${JSON.stringify(code)}`);
  promise(typeof message === "string", "message is no text");
  promise(
    listOf(response["warnings"]).every((warning) => typeof warning === "string"),
    "a warning is no text",
  );
  const { patch } = response;
  promise((patch === undefined) === (response["patchType"] === undefined), "patch without type");
  return {
    allowed: response["allowed"],
    message,
    patch: typeof patch === "string" ? (JSON.parse(Buffer.from(patch, "base64").toString()) as Operation[]) : [],
  };
}

async function checkPatch(
  world: AdmissionWorld,
  path: Path,
  asked: Readonly<Record<string, Json>>,
  { allowed, patch }: Response,
): Promise<void> {
  promise(allowed && path === "/mutating", "a patch with a refusal");
  const request = membersOf(asked["request"]);
  const after = structuredClone(request["object"]) as Json;
  const failure = applyPatch(after, [...patch]).find((result) => result !== null);
  promise(failure === undefined, () => `the patch does not apply: ${String(failure)}`);
  if (membersOf(request["kind"])["kind"] === "Pod") checkPod(request["object"], after);
  const again = { ...asked, request: { ...request, object: after } };
  const second = await ask(world, path, [Buffer.from(JSON.stringify(again))]);
  promise("body" in second, "the changed object is not answered");
  const { patch: change, message } = toResponse(second.body, again);
  // Published: a pod that carries what admission wrote for a plane is refused, see decide.ts.
  const isRefused = message.endsWith("must be mutually exclusive");
  promise(change.length === 0 || isRefused, () => `admitted again it changes again: ${JSON.stringify(change)}`);
}

/** Members that admission is for, and that may differ. */
function checkPod(before: Json | undefined, after: Json): void {
  promise(JSON.stringify(rest(before)) === JSON.stringify(rest(after)), "admission changed what it is not for");
  const { metadata, spec } = membersOf(after);
  const [was, is] = [
    membersOf(membersOf(membersOf(before)["metadata"])["annotations"]),
    membersOf(membersOf(metadata)["annotations"]),
  ];
  for (const [name, value] of Object.entries(is)) {
    promise(typeof value === "string", `annotation ${name} is no text`);
    promise(was[name] === value || name.startsWith("k8s.aliyun.com/pod-"), `annotation ${name} changed`);
  }
  checkResources(membersOf(spec));
  promise(ownGates(after) <= Math.max(1, ownGates(before)), "gated twice");
}

function checkResources(spec: Readonly<Record<string, Json>>): void {
  const { limits, requests } = membersOf(membersOf(listOf(spec["containers"])[0])["resources"]);
  for (const quantity of [limits, requests].flatMap((each) => Object.values(membersOf(each)))) {
    promise(typeof quantity === "string", "a quantity is no text");
  }
}

function ownGates(pod: Json | undefined): number {
  const gates = listOf(membersOf(membersOf(pod)["spec"])["schedulingGates"]);
  return gates.filter((gate) => membersOf(gate)["name"] === schedulingGate).length;
}

/** The pod without annotations, gates, affinity and the resources of its first container. */
function rest(pod: Json | undefined): Json {
  const { metadata, spec, ...others } = membersOf(pod);
  const { annotations: _, ...meta } = membersOf(metadata);
  const { schedulingGates: __, affinity: ___, containers, ...kept } = membersOf(spec);
  const [first, ...more] = listOf(containers);
  const { resources: ____, ...main } = membersOf(first);
  return { ...others, meta, kept, containers: [main, ...more] };
}
