/** Pods and planes through admission: odd annotations on good pods, and odd bodies. */
import { annotations } from "../../crds/v1beta1/names.ts";
import { numaNodeOf } from "../../domain/eni/network-cards.ts";
import { encodePodNetworks, parsePodNetworks } from "../../domain/pod-network/pod-networks.ts";
import { interfacesFrom } from "../../domain/pod-network/requested-networks.ts";
import { parseGoDuration } from "../../domain/retention/go-duration.ts";
import { planesOf } from "../../webhook/pod-networking/use.ts";
import { checkAnswer, toWorld, type Path } from "./admission.ts";
import { put, type Draw } from "./draw.ts";
import { checkError } from "./errors.ts";
import { networksRequest, plane, pod, podEniRecord, podNetworks } from "./samples.ts";
import { membersOf, ofUtf8, promise, textOf, toBytes, type Json, type Target } from "./target.ts";

function drawWorld(draw: Draw): Record<string, Json> {
  return {
    planes: draw.list(3, () => plane(draw)),
    record: draw.chance(0.3) ? podEniRecord(draw) : null,
    settings: { enableTrunk: draw.chance(0.7), inject: draw.chance(0.8), crd: draw.chance(0.2) },
  };
}

function drawReview(draw: Draw): Record<string, Json> {
  const isPlane = draw.chance(0.3);
  const object = isPlane ? plane(draw) : pod(draw);
  const kind = isPlane
    ? { group: "network.alibabacloud.com", version: "v1beta1", kind: "PodNetworking" }
    : { group: "", version: "v1", kind: "Pod" };
  const operation = draw.word(["CREATE", "UPDATE", "DELETE"], 0.02);
  return {
    apiVersion: draw.word(["admission.k8s.io/v1", "admission.k8s.io/v1beta1"], 0.01),
    kind: "AdmissionReview",
    request: {
      uid: "u-1",
      kind,
      operation,
      name: "web-0",
      namespace: "ns",
      object,
      ...draw.some(
        { dryRun: () => draw.chance(0.5), oldObject: () => (draw.chance(0.5) ? object : draw.mutate(object)) },
        0.5,
      ),
    },
  };
}

/** Bytes that no client means to send; most of them once in thousands. */
function drawBody(draw: Draw): string {
  const review = drawReview(draw);
  const depth = draw.pick([50, 500, 5_000, 100_000]);
  switch (draw.below(1_000)) {
    case 0:
      return `${"[".repeat(depth)}${"]".repeat(depth)}`;
    case 1:
      return JSON.stringify(review).replace('"object":{', `"object":{"deep":${nested(depth)},`);
    case 2:
      return JSON.stringify(review).replace('"spec":{', `"spec":{"deep":${nested(depth)},`);
    case 3:
      return JSON.stringify(review).replace('"affinity":{', `"affinity":{"deep":${nested(depth)},`);
    case 4:
      return " ".repeat(draw.pick([1, 1_000, 7 * 1024 * 1024 + (draw.chance(0.5) ? 0 : 1)]));
    default: {
      const text = ofUtf8(JSON.stringify(draw.chance(0.7) ? draw.mutate(review, 4) : review));
      return draw.chance(0.25) ? draw.mutateText(text, 4) : text;
    }
  }
}

function nested(depth: number): string {
  return `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
}

/** Any body on both paths. */
export const reviews: Target = {
  name: "reviews",
  weight: 3,
  draw: (draw) => ({
    ...drawWorld(draw),
    path: draw.pick(["/mutating", "/mutating", "/validate"]),
    body: drawBody(draw),
  }),
  check: async (input) => {
    const { planes, record, settings, path, body } = membersOf(input);
    const where: Path = path === "/validate" ? "/validate" : "/mutating";
    await checkAnswer(toWorld(planes, record, settings), where, toBytes(textOf(body)));
  },
};

/** Any annotations on a good pod: each parser alone, then the whole admission. */
export const podAnnotations: Target = {
  name: "annotations",
  weight: 3,
  draw: (draw) => {
    const drawn = membersOf(pod(draw));
    const metadata = { ...membersOf(drawn["metadata"]), namespace: "ns" };
    const texts = draw.some(
      {
        [annotations.podNetworks]: () => podNetworks(draw),
        [annotations.podNetworksRequest]: () => networksRequest(draw),
        [annotations.podNetworking]: () => draw.oddText(),
        [annotations.podEni]: () => draw.word(["true", "T", "yes"]),
        [annotations.cpuSet]: () => draw.mutateText('{"main":{"0":{"0":{}}}}'),
        duration: () => (draw.chance(0.5) ? draw.duration() : draw.mutateText("1h30m5.5s", 5)),
      },
      0.35,
    );
    put(metadata, "annotations", texts);
    return { ...drawWorld(draw), pod: { ...drawn, metadata } };
  },
  check: async (input) => {
    const { planes, record, settings, pod: object = {} } = membersOf(input);
    const texts = membersOf(membersOf(membersOf(object)["metadata"])["annotations"]);
    checkNetworks(textOf(texts[annotations.podNetworks]));
    checkOthers(textOf(texts[annotations.podNetworksRequest]), textOf(texts[annotations.cpuSet]));
    checkDuration(textOf(texts["duration"]));
    const kind = { group: "", version: "v1", kind: "Pod" };
    const request = { uid: "u-1", kind, operation: "CREATE", name: "web-0", namespace: "ns", object };
    const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request };
    await checkAnswer(toWorld(planes, record, settings), "/mutating", Buffer.from(JSON.stringify(review)));
  },
};

/** What is read is written so that it is read the same; what is not read is refused in words. */
function checkNetworks(text: string): void {
  let networks;
  try {
    networks = parsePodNetworks(text);
  } catch (error) {
    checkError(error, "words");
    return;
  }
  const written = encodePodNetworks(networks);
  promise(JSON.stringify(parsePodNetworks(written)) === JSON.stringify(networks), () => `written as ${written}`);
}

function checkOthers(request: string, cpuSet: string): void {
  const names = interfacesFrom(request, "plane-1");
  promise(
    names.every((name) => typeof name === "string" && name !== ""),
    "an interface without a name",
  );
  const used = planesOf({ metadata: { name: "", annotations: { [annotations.podNetworksRequest]: request } } });
  promise(names.length === 0 || used.includes("plane-1"), "a plane that is used and not found");
  const numa = numaNodeOf(cpuSet) ?? 0;
  promise(Number.isSafeInteger(numa) && numa >= 0, `NUMA node ${numa}`);
}

function checkDuration(text: string): void {
  const ms = parseGoDuration(text);
  if (ms === undefined) return;
  promise(Number.isFinite(ms), `${text} is ${ms} ms`);
  if (!/^[+-]/.test(text)) promise(parseGoDuration(`-${text}`) === -ms, `${text} has no opposite`);
}
