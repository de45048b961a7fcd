/** Tables (`meta.k8s.io/v1 Table`): what `kubectl get` prints. Columns of built-in kinds are in table-*.ts. */
import type { KubeJson } from "./kube-json.ts";
import { ageOf } from "./table-age.ts";
import { builtInColumns } from "./table-built-in.ts";
import type { Cell, Column, TableResource } from "./table-columns.ts";
import { select } from "./table-json-path.ts";

/** One entry of `spec.versions[].additionalPrinterColumns` of a CustomResourceDefinition. */
export interface CrdPrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly format?: string;
  readonly description?: string;
  /** Above 0: only shown by `-o wide`. */
  readonly priority?: number;
}

export interface TableInput {
  resource: TableResource;
  /** Printer columns of a custom resource; undefined or empty for NAME and AGE, or for the columns of a built-in kind. */
  columns?: readonly CrdPrinterColumn[] | undefined;
  objects: readonly KubeJson[];
  /** False for the table of one object: its metadata is then the object's resourceVersion unless given. */
  list: boolean;
  metadata: {
    resourceVersion?: string | undefined;
    continue?: string | undefined;
    remainingItemCount?: number | undefined;
  };
  /** Query parameter `includeObject`; the server's default is Metadata. */
  includeObject: "None" | "Metadata" | "Object";
  /** Milliseconds since the epoch; ages are relative to it. */
  nowMs: number;
}

const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  cell: (object) => object.metadata?.name ?? "",
};
const crdAge: CrdPrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** Renders objects as a Table. Cells of columns with priority above 0 are always there; the client hides them. */
export function toTable(input: TableInput): KubeJson {
  const columns = columnsOf(input);
  const { metadata, objects, list } = input;
  const resourceVersion = metadata.resourceVersion ?? (list ? undefined : objects[0]?.metadata?.resourceVersion);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: {
      ...(metadata.continue === undefined ? {} : { continue: metadata.continue }),
      ...(metadata.remainingItemCount === undefined ? {} : { remainingItemCount: metadata.remainingItemCount }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    columnDefinitions: columns.map(({ name, type, format = "", description = "", priority = 0 }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, input.nowMs)),
      ...rowObject(object, input.includeObject),
    })),
  };
}

function columnsOf({ resource, columns }: TableInput): readonly Column[] {
  const builtIn = columns === undefined ? builtInColumns(resource) : undefined;
  if (builtIn !== undefined) return builtIn;
  const declared = columns === undefined || columns.length === 0 ? [crdAge] : columns;
  return [nameColumn, ...declared.map(crdColumn)];
}

function rowObject(object: KubeJson, include: TableInput["includeObject"]): { object?: KubeJson } {
  if (include === "None") return {};
  if (include === "Object") return { object };
  const metadata = object.metadata ?? {};
  return { object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata } };
}

function crdColumn(column: CrdPrinterColumn): Column {
  const { name, type, format, description, priority, jsonPath } = column;
  return {
    name,
    type,
    ...(format === undefined ? {} : { format }),
    ...(description === undefined ? {} : { description }),
    ...(priority === undefined ? {} : { priority }),
    cell: (object, nowMs) => crdCell(type, select(jsonPath, object)[0], nowMs),
  };
}

type Reader = (value: unknown, nowMs: number) => Cell;

/** How a value becomes a cell, by the type of its column. null is an empty cell. */
const readers: Readonly<Record<string, Reader>> = {
  integer: (value) => (typeof value === "number" ? Math.trunc(value) : null),
  number: (value) => (typeof value === "number" ? value : null),
  boolean: (value) => (typeof value === "boolean" ? value : null),
  date: (value, nowMs) => (typeof value === "string" ? ageOf(value, nowMs) : null),
  string: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
};

function crdCell(type: string, value: unknown, nowMs: number): Cell {
  return value === undefined || value === null ? null : (readers[type]?.(value, nowMs) ?? null);
}
