/** The vocabulary of table columns. */
import { stringAt, valueAt, type KubeJson } from "./kube-json.ts";

/** null is an empty cell. */
export type Cell = string | number | boolean | null;

export interface Column {
  /** `kubectl` shows it in capitals. */
  readonly name: string;
  readonly type: string;
  /** `name` marks the column that names the object. */
  readonly format?: string;
  readonly description?: string;
  /** 1: only shown by `-o wide`. */
  readonly priority?: number;
  cell(object: KubeJson, nowMs: number): Cell;
}

/** Which columns a table has. */
export interface TableResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
}

/** A column of text. */
export function text(name: string, cell: Column["cell"]): Column {
  return { name, type: "string", cell };
}

/** A column of text that only `-o wide` shows. */
export function wide(name: string, cell: Column["cell"]): Column {
  return { name, type: "string", priority: 1, cell };
}

/** The number at a path, 0 when there is none. */
export function countAt(object: KubeJson, ...path: string[]): number {
  const value = valueAt(object, path);
  return typeof value === "number" ? value : 0;
}

/** The text at a path, or `otherwise` when there is none. */
export function textAt(object: unknown, path: readonly string[], otherwise = "<none>"): string {
  const value = stringAt(object, path);
  return value === "" ? otherwise : value;
}

/** The list at a path, empty when there is none. */
export function listAt(object: unknown, ...path: string[]): readonly unknown[] {
  const value = valueAt(object, path);
  return Array.isArray(value) ? value : [];
}
