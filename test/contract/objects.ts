/** Objects that contract tests create. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";
import { uniqueName, type Client } from "./client.ts";

export const crdsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export function aConfigMap(name: string, more: KubeJson = {}): KubeJson {
  return { apiVersion: "v1", kind: "ConfigMap", ...more, metadata: { name, ...more.metadata } };
}

/** No scheduler answers to its scheduler name, so it stays as it is. */
export function aPod(name: string, { spec, ...more }: KubeJson = {}): KubeJson {
  return {
    apiVersion: "v1",
    kind: "Pod",
    ...more,
    metadata: { name, ...more.metadata },
    spec: { schedulerName: "nobody", containers: [{ name: "c", image: "i:1" }], ...(spec as object | undefined) },
  };
}

export function aLease(name: string, spec: object = {}): KubeJson {
  return { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name }, spec };
}

export function ownerReference(owner: KubeJson, more: object = {}): object {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata?.name, uid: metadata?.uid, ...more };
}

/** A workload with one container and a selector that matches its template. */
export function aWorkload(
  kind: "StatefulSet" | "Deployment" | "ReplicaSet" | "DaemonSet",
  name: string,
  spec: object = {},
): KubeJson {
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "i:1" }] } },
      ...(kind === "StatefulSet" ? { serviceName: name } : {}),
      ...spec,
    },
  };
}

/** A made-up custom resource: everything that the project's own ones use, and limits of each type. */
export interface Things {
  readonly group: string;
  readonly apiVersion: string;
  readonly crdName: string;
  /** Of the objects in a namespace. */
  pathIn(namespace: string): string;
  make(name: string, more?: KubeJson): KubeJson;
}

/** The CRD that all suites share, for tests that do not change it: a kube-apiserver makes who uses a new one wait for 2 s. */
export async function sharedThings(client: Client): Promise<Things> {
  const group = "contract.example.com";
  const { status } = await client.post(crdsPath, thingCrd(group));
  if (status !== 201 && status !== 409) throw new Error(`the CRD was refused with ${status}`);
  return await thingsOf(client, group);
}

/** Creates the CRD in a group of its own and waits until it is served. */
export async function makeThings(client: Client, change: (crd: KubeJson) => void = () => undefined): Promise<Things> {
  const group = `${uniqueName("g")}.example.com`;
  const crd = thingCrd(group);
  change(crd);
  await client.create(crdsPath, crd);
  return await thingsOf(client, group);
}

async function thingsOf(client: Client, group: string): Promise<Things> {
  const apiVersion = `${group}/v1`;
  await client.eventually(`/apis/${apiVersion}/things`, ({ status }) => status === 200);
  return {
    group,
    apiVersion,
    crdName: `things.${group}`,
    pathIn: (namespace) => `/apis/${apiVersion}/namespaces/${namespace}/things`,
    make: (name, more = {}) => ({
      apiVersion,
      kind: "Thing",
      spec: { size: 1 },
      ...more,
      metadata: { name, ...more.metadata },
    }),
  };
}

export function thingCrd(group: string, names: object = {}): KubeJson {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        plural: "things",
        singular: "thing",
        kind: "Thing",
        shortNames: ["th"],
        categories: ["example"],
        ...names,
      },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          selectableFields: [{ jsonPath: ".spec.color" }],
          additionalPrinterColumns: [
            { name: "Size", type: "integer", jsonPath: ".spec.size" },
            { name: "Color", type: "string", jsonPath: ".spec.color", priority: 1 },
            { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: "Ports", type: "string", jsonPath: ".spec.ports[*].name" },
            { name: "Since", type: "date", jsonPath: ".status.since" },
          ],
          schema: { openAPIV3Schema: { type: "object", properties: { spec: specSchema, status: statusSchema } } },
        },
      ],
    },
  };
}

const specSchema = {
  type: "object",
  required: ["size"],
  properties: {
    size: { type: "integer", minimum: 1, maximum: 100 },
    color: { type: "string", enum: ["Red", "Blue"], default: "Red" },
    code: { type: "string", pattern: "^[a-z]+$", minLength: 2, maxLength: 5 },
    ratio: { type: "number" },
    at: { type: "string", format: "date-time" },
    amount: { "x-kubernetes-int-or-string": true },
    on: { type: "boolean" },
    maybe: { type: "string", nullable: true },
    names: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set", maxItems: 3 },
    plain: { type: "array", items: { type: "string" } },
    ports: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      items: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string" },
          port: { type: "integer" },
          protocol: { type: "string", default: "TCP" },
        },
      },
    },
    limits: {
      type: "object",
      properties: { cpu: { type: "integer", default: 2 }, memory: { type: "integer" } },
      default: { memory: 5 },
    },
    labels: { type: "object", additionalProperties: { type: "string" } },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    whole: {
      type: "object",
      "x-kubernetes-map-type": "atomic",
      properties: { a: { type: "string" }, b: { type: "string" } },
    },
  },
};

const statusSchema = {
  type: "object",
  properties: {
    phase: { type: "string" },
    since: { type: "string", format: "date-time" },
    conditions: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
      items: {
        type: "object",
        required: ["type", "status"],
        properties: { type: { type: "string" }, status: { type: "string" }, reason: { type: "string" } },
      },
    },
  },
};

/** Installs one of the project's own CRDs, from `crds/`, unless another suite has. Returns the path of its objects. */
export async function installOwnCrd(client: Client, plural: string): Promise<string> {
  const file = join(import.meta.dirname, "..", "..", "crds", `network.alibabacloud.com_${plural}.yaml`);
  const { status, body } = await client.post(`${crdsPath}?fieldValidation=Strict`, parse(readFileSync(file, "utf8")));
  if (status !== 201 && status !== 409) throw new Error(`${plural}: ${JSON.stringify(body)}`);
  const path = `/apis/network.alibabacloud.com/v1beta1/${plural}`;
  await client.eventually(path, (answer) => answer.status === 200);
  return path;
}
