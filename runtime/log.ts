import { Writable } from "node:stream";
import winston from "winston";
import { OperatorError } from "./errors.ts";
import type { LogFields, Logger } from "./ports.ts";

/** Names of the levels, most severe first. */
export type LogLevel = "error" | "warn" | "info" | "debug";

/** Keys that come first in every line, in this order; all others follow as given. */
const leadingKeys = ["controller", "namespace", "name", "eniId", "requestId", "durationMs"] as const;
const secretKey =
  /^(?:x-acs-)?(?:signature|access-?key(?:-?(?:id|secret))?|access-?secret|security-?token|authorization|password|(?:otel-?)?token)$/i;
const secretInText =
  /((?:signature|credential|access-?key(?:-?(?:id|secret))?|access-?secret|security-?token|otel-?token)["']?\s*(?:=|:|%3D|%3A)\s*["']?)[^&\s"',;}\]]+/gi;
const bearer = /\b(bearer\s+)[\w.~+/=-]+/gi;
const redacted = "REDACTED";
/** Depth at which a field or a chain of causes is cut, so that a cycle cannot hang the process. */
const deepest = 6;

export interface LoggerOptions {
  /** Least severe level that is written. */
  readonly level: LogLevel;
  /** Gets each line, newline included. @default writes to standard output */
  readonly write?: (line: string) => void;
}

/**
 * A logger that writes one JSON object a line: `time` (RFC 3339, UTC), `level`, `message`, then the fields. Secrets of cloud
 * requests (`Signature`, `AccessKeyId`, `SecurityToken`, bearer tokens) and of the credential file (`accessKey`,
 * `accessSecret`, `otelToken`) are removed from texts and fields. Errors keep their
 * chain of causes; the stack is written at level `error` and for errors that are our bug (category `invariant`).
 */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.write ?? ((line: string) => void process.stdout.write(line));
  const sink = new Writable({
    decodeStrings: false,
    write(chunk: unknown, _encoding, done) {
      write(String(chunk));
      done();
    },
  });
  const logger = winston.createLogger({
    level: options.level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.printf((entry) => toLine(entry.level, entry.message, entry["fields"])),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston types its class as an interface
    transports: [new winston.transports.Stream({ stream: sink, eol: "\n" })],
  });
  return wrap(logger, {});
}

/**
 * Level that the flag `-v` of the published program stands for: its informational lines are at 0 to 3 (the chart passes 2),
 * its details from 4 on.
 */
export function levelOf(verbosity: number): LogLevel {
  return verbosity >= 4 ? "debug" : "info";
}

function wrap(logger: winston.Logger, bound: LogFields): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (logger.isLevelEnabled(level)) logger.log({ level, message, fields: { ...bound, ...fields } });
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => wrap(logger, { ...bound, ...fields }),
  };
}

function toLine(level: string, message: unknown, fields: unknown): string {
  const line: Record<string, unknown> = { time: new Date().toISOString(), level, message: redact(String(message)) };
  const given: Record<string, unknown> = { ...(typeof fields === "object" ? fields : {}) };
  for (const key of leadingKeys) {
    if (given[key] !== undefined) line[key] = toJson(key, given[key], level, 0);
  }
  for (const [key, value] of Object.entries(given)) {
    if (!(key in line) && value !== undefined) line[key] = toJson(key, value, level, 0);
  }
  return JSON.stringify(line);
}

/** Removes cloud secrets from a text, for instance from a URL in an error message. */
export function redact(text: string): string {
  return text.replace(secretInText, `$1${redacted}`).replace(bearer, `$1${redacted}`);
}

function toJson(key: string, value: unknown, level: string, depth: number): unknown {
  if (secretKey.test(key)) return redacted;
  if (typeof value === "string") return redact(value);
  if (typeof value === "object" && value !== null) return depth < deepest ? objectToJson(value, level, depth) : "…";
  // JSON has no bigint, and leaves out symbols and functions.
  return ["bigint", "symbol", "function"].includes(typeof value) ? String(value) : value;
}

function objectToJson(value: object, level: string, depth: number): unknown {
  if (value instanceof Error) return errorToJson(value, level, depth);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map((item) => toJson("", item, level, depth + 1));
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, item]) => [String(name), toJson(String(name), item, level, depth + 1)]),
  );
}

/**
 * Only known properties are taken: the errors of HTTP clients and of the cloud SDK carry the whole request, credentials
 * included.
 */
function errorToJson(error: Error, level: string, depth: number): Record<string, unknown> {
  const json: Record<string, unknown> = { type: error.name, message: redact(error.message) };
  if (error instanceof OperatorError) {
    json["category"] = error.category;
    json["reason"] = error.reason;
    if (error.cloud) json["cloud"] = toJson("cloud", error.cloud, level, depth + 1);
  }
  const code = codeOf(error);
  if (code !== undefined) json["code"] = toJson("code", code, level, depth + 1);
  const withStack = depth === 0 && (level === "error" || json["category"] === "invariant");
  if (withStack && error.stack !== undefined) json["stack"] = redact(error.stack);
  if (error.cause !== undefined) json["cause"] = toJson("cause", error.cause, level, depth + 1);
  return json;
}

/** The code of a system error (`ECONNRESET`) or of an HTTP client. */
function codeOf(error: Error): string | number | undefined {
  const code: unknown = "code" in error ? error.code : undefined;
  return typeof code === "string" || typeof code === "number" ? code : undefined;
}
