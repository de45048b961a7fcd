/** Between the bytes of an AdmissionReview and the values of admission.ts. */
import { isJsonObject } from "./admission.ts";
import type { AdmissionAnswer, AdmissionRequest } from "./admission.ts";

/** The versions in which the API server may ask; the answer is in the version of the question. */
const apiVersions = ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"];

export interface Review {
  readonly apiVersion: string;
  readonly request: AdmissionRequest;
}

/** @throws Error saying why the text is no AdmissionReview */
export function parseReview(text: string): Review {
  const review = parseJson(text);
  if (!isJsonObject(review) || review["kind"] !== "AdmissionReview") throw new Error("the body is no AdmissionReview");
  const apiVersion = apiVersions.find((candidate) => candidate === review["apiVersion"]);
  if (apiVersion === undefined) throw new Error(`apiVersion must be one of ${apiVersions.join(", ")}`);
  const request = review["request"];
  if (!isJsonObject(request)) throw new Error("the AdmissionReview has no request");
  if (textOf(request, "uid") === "") throw new Error("the request has no uid");
  return { apiVersion, request: toRequest(request) };
}

/** What is deeper would overflow the stack of those who walk it. The kinds that are admitted are less than 20 deep. */
const deepest = 1_000;

function parseJson(text: string): unknown {
  if (depthOf(text) > deepest) throw new Error(`the body is nested more than ${deepest} deep`);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's words quote the text, which may hold what is nobody's business in a log; the size tells of a cut.
    throw new Error(`the body is no JSON (${text.length} characters)`);
  }
}

/** How deep the brackets of a JSON text are nested; of another text, any number. */
function depthOf(text: string): number {
  let [depth, greatest] = [0, 0];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfText(text, at);
    else if (character === "{" || character === "[") greatest = Math.max(greatest, (depth += 1));
    else if (character === "}" || character === "]") depth -= 1;
  }
  return greatest;
}

/** Index of the quote that ends the text literal that begins at `start`. */
function endOfText(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function toRequest(request: Readonly<Record<string, unknown>>): AdmissionRequest {
  const kind = isJsonObject(request["kind"]) ? request["kind"] : {};
  return {
    uid: textOf(request, "uid"),
    kind: { group: textOf(kind, "group"), version: textOf(kind, "version"), kind: textOf(kind, "kind") },
    operation: textOf(request, "operation"),
    name: textOf(request, "name"),
    namespace: textOf(request, "namespace"),
    dryRun: request["dryRun"] === true,
    object: request["object"] ?? undefined,
    oldObject: request["oldObject"] ?? undefined,
  };
}

function textOf(object: Readonly<Record<string, unknown>>, name: string): string {
  const value = object[name];
  return typeof value === "string" ? value : "";
}

/** The AdmissionReview that carries the answer. An empty patch is left out. */
export function encodeReview({ apiVersion, request }: Review, answer: AdmissionAnswer): string {
  const patch = answer.patch ?? [];
  return JSON.stringify({
    apiVersion,
    kind: "AdmissionReview",
    response: {
      uid: request.uid,
      allowed: answer.allowed,
      status: {
        code: answer.code,
        ...(answer.message === undefined ? {} : { message: answer.message }),
        ...(answer.code === 403 ? { reason: "Forbidden" } : {}),
      },
      ...(patch.length === 0
        ? {}
        : { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") }),
      ...((answer.warnings ?? []).length === 0 ? {} : { warnings: answer.warnings }),
    },
  });
}
