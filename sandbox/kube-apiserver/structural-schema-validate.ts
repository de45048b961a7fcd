/**
 * Validation of a value against a structural schema, with the texts of a real kube-apiserver. `pattern` is a JavaScript
 * RegExp with the `u` flag where the real one uses RE2: the same for every pattern that both accept.
 */
import { isKnownFormat, matchesFormat } from "./structural-schema-formats.ts";
import { isObject, jsonEquals, type JsonObject } from "./kube-json.ts";
import { fieldSchema, type JsonSchema } from "./structural-schema-types.ts";

/** The `reason` of a cause in a Status of reason Invalid. */
type FieldErrorType =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueNotSupported"
  | "FieldValueTypeInvalid"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueDuplicate"
  | "FieldValueForbidden";

interface FieldError {
  /** Path like `spec.eniOptions.eniType` or `spec.list[0]`; `<nil>` for the whole object, as the real server writes it. */
  readonly field: string;
  readonly type: FieldErrorType;
  /** As in `status.details.causes[].message`: without the field, for instance `Required value`. */
  readonly message: string;
}

/** `a: Required value`, or `[a: Required value, b: …]` for several: the part of a 422 message after `is invalid: `. */
export function formatFieldErrors(errors: readonly FieldError[]): string {
  const lines = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  return lines.length === 1 ? (lines[0] ?? "") : `[${lines.join(", ")}]`;
}

/** A value as it stands behind `Invalid value: `. */
function quoteValue(value: unknown): string {
  return value === undefined ? "null" : value === null ? '"null"' : JSON.stringify(value);
}

/**
 * Validates `value`. Parts that are equal in `oldValue` are not validated again (CRD validation ratcheting): an object that
 * became invalid by a change of its schema can still be updated elsewhere. apiVersion, kind and metadata are the caller's.
 */
export function validate(schema: JsonSchema, value: unknown, oldValue?: unknown): FieldError[] {
  const errors: FieldError[] = [];
  validateNode({ schema, value, old: oldValue, path: "", errors });
  return errors;
}

interface Node {
  readonly schema: JsonSchema;
  readonly value: unknown;
  /** The same place in the object before the update; undefined when there is none. */
  readonly old: unknown;
  readonly path: string;
  readonly errors: FieldError[];
}

type Check = (node: Node) => void;

function report(node: Node, type: FieldErrorType, message: string): void {
  node.errors.push({ field: node.path === "" ? "<nil>" : node.path, type, message });
}

/** `shown` is what the message gives as the value: the size of a list or an object that is too small. */
function invalid(node: Node, text: string, shown: unknown = node.value): void {
  report(node, "FieldValueInvalid", `Invalid value: ${quoteValue(shown)}: ${node.path} in body ${text}`);
}

function validateNode(node: Node): void {
  const { schema, value, old } = node;
  if (old !== undefined && jsonEquals(old, value)) return;
  if (value === null && schema.nullable === true) return;
  checkType(node);
  checkEnum(node);
  if (value === null) return;
  for (const check of combinators) check(node);
  checkByType(node, value);
}

function checkByType(node: Node, value: unknown): void {
  if (typeof value === "string") checkString(node, value);
  else if (typeof value === "number") checkNumber(node, value);
  else if (Array.isArray(value)) checkArray(node, value);
  else if (isObject(value)) checkObject(node, value);
}

/** The JSON type of a value, in the words of OpenAPI. A number without fraction is an integer. */
function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function checkType(node: Node): void {
  const { schema, value, path } = node;
  const types =
    schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : schema.type ? [schema.type] : [];
  const actual = typeOf(value);
  if (types.length === 0 || types.includes(actual) || (actual === "integer" && types.includes("number"))) return;
  const [wanted, found] = typeWords(schema, types, actual);
  const text = `${path} in body must be of type ${wanted}: ${JSON.stringify(found)}`;
  report(node, "FieldValueTypeInvalid", `Invalid value: ${JSON.stringify(found)}: ${text}`);
}

/** The server names formats instead of types where a string with a format was wanted, or a number given. */
function typeWords({ format }: JsonSchema, types: readonly string[], actual: string): readonly [string, string] {
  const byFormat = format !== undefined && actual !== "string" && actual !== "array" && actual !== "null";
  if (!byFormat) return [types.join(","), actual];
  return [format, actual === "integer" ? "int64" : actual === "number" ? "double" : ""];
}

function checkEnum(node: Node): void {
  const allowed = node.schema.enum;
  if (allowed === undefined || allowed.some((candidate) => jsonEquals(candidate, node.value))) return;
  const quoted = allowed.map((value) => JSON.stringify(typeof value === "string" ? value : JSON.stringify(value)));
  const text = `Unsupported value: ${quoteValue(node.value)}: supported values: ${quoted.join(", ")}`;
  report(node, "FieldValueNotSupported", text);
}

function checkFormat(node: Node): void {
  const { format } = node.schema;
  if (format === undefined || !isKnownFormat(format) || matchesFormat(format, node.value)) return;
  const text = `${node.path} in body must be of type ${format}: ${quoteValue(node.value)}`;
  report(node, "FieldValueTypeInvalid", `Invalid value: ${quoteValue(node.value)}: ${text}`);
}

function checkString(node: Node, value: string): void {
  checkFormat(node);
  const { minLength, maxLength, pattern } = node.schema;
  const length = minLength === undefined && maxLength === undefined ? 0 : Array.from(value).length;
  if (maxLength !== undefined && length > maxLength) {
    report(
      node,
      "FieldValueTooLong",
      `Too long: may not be more than ${maxLength} ${maxLength === 1 ? "byte" : "bytes"}`,
    );
  }
  if (minLength !== undefined && length < minLength) invalid(node, `should be at least ${minLength} chars long`);
  if (pattern !== undefined && !compiled(pattern).test(value)) invalid(node, `should match '${pattern}'`);
}

const patterns = new Map<string, RegExp>();

function compiled(pattern: string): RegExp {
  let regExp = patterns.get(pattern);
  if (regExp === undefined) {
    regExp = compile(pattern);
    patterns.set(pattern, regExp);
  }
  return regExp;
}

/** RE2 escapes characters that `u` forbids to escape, and has leading flags. What cannot be read at all matches everything. */
function compile(pattern: string): RegExp {
  const [, flags = "", source = ""] = /^(?:\(\?([ims]+)\))?(.*)$/s.exec(pattern) ?? [];
  for (const mode of [`u${flags}`, flags]) {
    try {
      return new RegExp(source, mode);
    } catch (error: unknown) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  return /^/;
}

function checkNumber(node: Node, value: number): void {
  const { multipleOf } = node.schema;
  checkFormat(node);
  checkBounds(node, value);
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    invalid(node, `should be a multiple of ${multipleOf}`);
  }
}

function checkBounds(node: Node, value: number): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = node.schema;
  if (minimum !== undefined && beyond(minimum - value, exclusiveMinimum)) {
    invalid(node, `should be greater than ${orEqual(exclusiveMinimum)}${minimum}`);
  }
  if (maximum !== undefined && beyond(value - maximum, exclusiveMaximum)) {
    invalid(node, `should be less than ${orEqual(exclusiveMaximum)}${maximum}`);
  }
}

/** `excess` is how far a value is past its bound. */
function beyond(excess: number, exclusive: boolean | undefined): boolean {
  return excess > 0 || (excess === 0 && exclusive === true);
}

function orEqual(exclusive: boolean | undefined): string {
  return exclusive === true ? "" : "or equal to ";
}

function checkArray(node: Node, value: readonly unknown[]): void {
  const { minItems, maxItems, uniqueItems, items } = node.schema;
  if (minItems !== undefined && value.length < minItems)
    invalid(node, `should have at least ${minItems} items`, value.length);
  if (maxItems !== undefined && value.length > maxItems) tooMany(node, value.length, maxItems);
  if (uniqueItems === true && hasTwins(value)) invalid(node, "shouldn't contain duplicates", "");
  checkListType(node, value);
  if (items === undefined) return;
  const oldItemOf = oldItems(node);
  for (const [index, item] of value.entries()) {
    const path = `${node.path}[${index}]`;
    validateNode({ schema: items, value: item, old: oldItemOf(item), path, errors: node.errors });
  }
}

function tooMany(node: Node, actual: number, limit: number): void {
  const text = `Too many: ${actual}: must have at most ${limit} ${limit === 1 ? "item" : "items"}`;
  report(node, "FieldValueTooMany", text);
}

function hasTwins(value: readonly unknown[]): boolean {
  return new Set(value.map(stableKey)).size !== value.length;
}

/** Equal for equal JSON values, whatever the order of their fields. */
function stableKey(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableKey).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${stableKey(value[key])}`).join(",")}}`;
}

/** The identity of an item of a list of type `map`: its key fields, with the defaults of absent ones. */
function itemKey(schema: JsonSchema, item: unknown): JsonObject {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const source = isObject(item) ? item : {};
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = source[key] ?? schema.items?.properties?.[key]?.default;
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function checkListType(node: Node, value: readonly unknown[]): void {
  const listType = node.schema["x-kubernetes-list-type"];
  if (listType !== "set" && listType !== "map") return;
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const identity = listType === "set" ? item : itemKey(node.schema, item);
    const key = stableKey(identity);
    if (seen.has(key)) {
      report(
        { ...node, path: `${node.path}[${index}]` },
        "FieldValueDuplicate",
        `Duplicate value: ${quoteValue(identity)}`,
      );
    }
    seen.add(key);
  }
}

/** Finds the item of the old list that an item corresponds to; lists of type atomic have no such correspondence. */
function oldItems(node: Node): (item: unknown) => unknown {
  const listType = node.schema["x-kubernetes-list-type"];
  if (!Array.isArray(node.old) || (listType !== "set" && listType !== "map")) return () => undefined;
  const keyOf = (item: unknown) => stableKey(listType === "set" ? item : itemKey(node.schema, item));
  const byKey = new Map<string, unknown>(node.old.map((item: unknown) => [keyOf(item), item]));
  return (item) => byKey.get(keyOf(item));
}

function checkObject(node: Node, value: JsonObject): void {
  const { required, minProperties, maxProperties } = node.schema;
  const count = Object.keys(value).length;
  if (minProperties !== undefined && count < minProperties) {
    invalid(node, `should have at least ${minProperties} properties`, count);
  }
  if (maxProperties !== undefined && count > maxProperties) tooMany(node, count, maxProperties);
  for (const key of required ?? []) {
    if (!Object.hasOwn(value, key))
      report({ ...node, path: childPath(node, key) }, "FieldValueRequired", "Required value");
  }
  if (node.schema["x-kubernetes-embedded-resource"] === true) checkEmbedded(node, value);
  for (const [key, field] of Object.entries(value)) checkField(node, key, field);
}

function checkField(node: Node, key: string, field: unknown): void {
  const schema = fieldSchema(node.schema, key);
  if (schema === undefined) return;
  const old = isObject(node.old) ? node.old[key] : undefined;
  validateNode({ schema, value: field, old, path: childPath(node, key), errors: node.errors });
}

/** Keys of a map are written like fields: `spec.labels.a`. */
function childPath(node: Node, key: string): string {
  return node.path === "" ? key : `${node.path}.${key}`;
}

function checkEmbedded(node: Node, value: JsonObject): void {
  for (const key of ["apiVersion", "kind"]) {
    const place = { ...node, path: childPath(node, key) };
    if (value[key] === undefined) report(place, "FieldValueRequired", "Required value");
    else if (value[key] === "") report(place, "FieldValueInvalid", 'Invalid value: "": must not be empty');
  }
}

/** What is wrong with the value of `node` by another schema at the same place. */
function errorsBy(node: Node, schema: JsonSchema): FieldError[] {
  const errors: FieldError[] = [];
  validateNode({ schema, value: node.value, old: undefined, path: node.path, errors });
  return errors;
}

/** Errors of a combination name no field and no value, only the path within the text. */
function combination(node: Node, text: string): void {
  const message = `Invalid value: "": ${JSON.stringify(node.path)} must ${text}`;
  node.errors.push({ field: "<nil>", type: "FieldValueInvalid", message });
}

function checkAllOf(node: Node): void {
  const { allOf } = node.schema;
  if (allOf === undefined) return;
  const failures = allOf.map((schema) => errorsBy(node, schema)).filter((errors) => errors.length > 0);
  node.errors.push(...failures.flat());
  if (failures.length === 0) return;
  combination(node, `validate all the schemas (allOf)${failures.length === allOf.length ? ". None validated" : ""}`);
}

function checkAnyOf(node: Node): void {
  const outcomes = node.schema.anyOf?.map((schema) => errorsBy(node, schema));
  if (outcomes === undefined || outcomes.some((errors) => errors.length === 0)) return;
  combination(node, "validate at least one schema (anyOf)");
  node.errors.push(...(outcomes[0] ?? []));
}

function checkOneOf(node: Node): void {
  const outcomes = node.schema.oneOf?.map((schema) => errorsBy(node, schema));
  if (outcomes === undefined) return;
  const valid = outcomes.filter((errors) => errors.length === 0).length;
  if (valid === 1) return;
  const found = valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`;
  combination(node, `validate one and only one schema (oneOf). ${found}`);
  if (valid === 0) node.errors.push(...(outcomes[0] ?? []));
}

function checkNot(node: Node): void {
  const { not } = node.schema;
  if (not !== undefined && errorsBy(node, not).length === 0) combination(node, "not validate the schema (not)");
}

const combinators: readonly Check[] = [checkAnyOf, checkOneOf, checkAllOf, checkNot];
