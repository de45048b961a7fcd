import { describe, expect, it } from "@jest/globals";
import type { KubeJson } from "./kube-json.ts";
import { ageOf, humanDuration } from "./table-age.ts";
import { select } from "./table-json-path.ts";
import { toTable, type CrdPrinterColumn } from "./table.ts";

const nowMs = Date.parse("2026-01-10T00:00:00Z");
const hourAgo = "2026-01-09T23:00:00Z";

interface Rendered {
  columnDefinitions: { name: string; type: string; priority: number }[];
  rows: { cells: unknown[]; object?: KubeJson }[];
}

function render(group: string, kind: string, object: KubeJson, columns?: CrdPrinterColumn[]): Record<string, unknown> {
  const resource = { group, version: "v1", kind, plural: "" };
  const input = {
    resource,
    columns,
    objects: [object],
    list: true,
    metadata: {},
    includeObject: "None" as const,
    nowMs,
  };
  const table = toTable(input) as KubeJson & Rendered;
  const cells = table.rows[0]!.cells;
  expect(cells).toHaveLength(table.columnDefinitions.length);
  return Object.fromEntries(table.columnDefinitions.map(({ name }, index) => [name, cells[index]]));
}

function named(fields: Record<string, unknown>, metadata: Record<string, unknown> = {}): KubeJson {
  return { metadata: { name: "x", creationTimestamp: hourAgo, ...metadata }, ...fields };
}

describe("humanDuration", () => {
  const cases = [
    { seconds: -5, expected: "<invalid>" },
    { seconds: 0, expected: "0s" },
    { seconds: 119, expected: "119s" },
    { seconds: 120, expected: "2m" },
    { seconds: 330, expected: "5m30s" },
    { seconds: 600, expected: "10m" },
    { seconds: 3 * 3600 - 1, expected: "179m" },
    { seconds: 3 * 3600 + 60, expected: "3h1m" },
    { seconds: 8 * 3600, expected: "8h" },
    { seconds: 47 * 3600, expected: "47h" },
    { seconds: 50 * 3600, expected: "2d2h" },
    { seconds: 8 * 86400, expected: "8d" },
    { seconds: 800 * 86400, expected: "2y70d" },
    { seconds: 9 * 365 * 86400, expected: "9y" },
  ];
  it.each(cases)("$seconds s is $expected", ({ seconds, expected }) => {
    expect(humanDuration(seconds * 1000)).toBe(expected);
  });

  it("is <unknown> of no time", () => expect(ageOf(undefined, nowMs)).toBe("<unknown>"));
});

describe("the JSONPath of printer columns", () => {
  const value = {
    a: { b: [{ c: 1 }, { c: 2 }], "x.y/z": "dotted" },
    conditions: [
      { type: "Ready", status: "True" },
      { type: "Other", status: "False" },
    ],
  };
  const cases = [
    { path: ".a.b[0].c", expected: [1] },
    { path: ".a.b[-1].c", expected: [2] },
    { path: ".a.b[*].c", expected: [1, 2] },
    { path: "{.a.b[1].c}", expected: [2] },
    { path: ".a['x.y/z']", expected: ["dotted"] },
    { path: ".a.x\\.y/z", expected: ["dotted"] },
    { path: '.conditions[?(@.type=="Ready")].status', expected: ["True"] },
    { path: ".conditions[?(@.type=='Other')].status", expected: ["False"] },
    { path: ".conditions[?(@.type!='Other')].type", expected: ["Ready"] },
    { path: ".a.b[?(@.c>1)].c", expected: [2] },
    { path: ".missing.b", expected: [] },
    { path: ".a..b", expected: [] },
  ];
  it.each(cases)("$path", ({ path, expected }) => expect(select(path, value)).toEqual(expected));
});

describe("the table of a custom resource", () => {
  const object = named({
    spec: { count: 3, ratio: 1.5, on: true, list: ["a"], since: "2026-01-09T23:58:00Z" },
    status: { phase: "Bind", conditions: [{ type: "Ready", status: "True" }] },
  });

  it("has the declared columns behind NAME", () => {
    const columns: CrdPrinterColumn[] = [
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      { name: "Count", type: "integer", jsonPath: ".spec.count" },
      { name: "Count as text", type: "string", jsonPath: ".spec.count" },
      { name: "Ratio", type: "number", jsonPath: ".spec.ratio" },
      { name: "On", type: "boolean", jsonPath: ".spec.on" },
      { name: "List", type: "string", jsonPath: ".spec.list" },
      { name: "Since", type: "date", jsonPath: ".spec.since" },
      { name: "Missing", type: "string", jsonPath: ".status.nothing" },
    ];
    expect(render("g", "PodENI", object, columns)).toEqual({
      Name: "x",
      Phase: "Bind",
      Ready: "True",
      Count: 3,
      "Count as text": "3",
      Ratio: 1.5,
      On: true,
      List: '["a"]',
      Since: "2m",
      Missing: null,
    });
  });

  it("has NAME and AGE when nothing is declared", () => {
    expect(render("g", "PodENI", object, [])).toEqual({ Name: "x", Age: "60m" });
    expect(render("g", "PodENI", object)).toEqual({ Name: "x", Age: "60m" });
  });

  it("does not take a built-in kind's columns for its own of the same name", () => {
    expect(render("g", "Node", object)).toEqual({ Name: "x", Age: "60m" });
  });
});

describe("a table", () => {
  const resource = { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps" };
  const object: KubeJson = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "x", resourceVersion: "7" },
    data: {},
  };
  const base = { resource, objects: [object], nowMs };

  it("carries the metadata of the list", () => {
    const metadata = { resourceVersion: "9", continue: "c" };
    expect(toTable({ ...base, list: true, metadata, includeObject: "None" })).toMatchObject({
      apiVersion: "meta.k8s.io/v1",
      kind: "Table",
      metadata,
    });
  });

  it("of one object has its resourceVersion", () => {
    const table = toTable({ ...base, list: false, metadata: {}, includeObject: "None" });
    expect(table.metadata).toEqual({ resourceVersion: "7" });
  });

  it("includes what is asked for", () => {
    const rows = (includeObject: "None" | "Metadata" | "Object") =>
      (toTable({ ...base, list: true, metadata: {}, includeObject }) as KubeJson & Rendered).rows[0]!.object;
    expect(rows("None")).toBeUndefined();
    expect(rows("Object")).toEqual(object);
    expect(rows("Metadata")).toEqual({
      apiVersion: "meta.k8s.io/v1",
      kind: "PartialObjectMetadata",
      metadata: object.metadata,
    });
  });

  it("marks wide columns by their priority", () => {
    const pods = { ...base, resource: { ...resource, kind: "Pod" }, objects: [] };
    const table = toTable({ ...pods, list: true, metadata: {}, includeObject: "None" }) as KubeJson & Rendered;
    const wide = table.columnDefinitions.filter(({ priority }) => priority > 0).map(({ name }) => name);
    expect(wide).toEqual(["IP", "Node", "Nominated Node", "Readiness Gates"]);
  });
});
