/** The log, given whatever may come to it: one JSON object a line, without a secret. */
import { CallFailed } from "../../cloud/call.ts";
import { toOperatorError } from "../../cloud/operator-error.ts";
import { toCallFailed } from "../../cloud/sdk.ts";
import { TransientError } from "../../runtime/errors.ts";
import { createLogger } from "../../runtime/log.ts";
import { secret, tellsSecret } from "./configuration-target.ts";
import type { Draw } from "./draw.ts";
import { membersOf, numberOf, promise, textOf, type Json, type Target } from "./target.ts";

/** How the SDK, HTTP clients and this program write secrets. */
const secretTexts = [
  `https://ecs/?Action=X&AccessKeyId=${secret}&Signature=${secret}%3D&SecurityToken=${secret}&Format=JSON`,
  `authorization: ACS3-HMAC-SHA256 Credential=${secret},SignedHeaders=host,Signature=${secret}`,
  `Authorization: Bearer ${secret}`,
  `{"AccessKeyId":"${secret}","AccessKeySecret": "${secret}","SecurityToken":"${secret}"}`,
  `accessKey: ${secret}\naccessSecret: '${secret}'\notelToken: "${secret}"`,
  `x-acs-security-token: ${secret}`,
  `AccessKeyId%3D${secret}`,
];

/** Stands for one of them: made smaller, it must not become the secret alone, which nothing can know. */
function drawSecretText(draw: Draw): string {
  return `#${draw.below(secretTexts.length)}`;
}

function withSecrets(value: Json): Json {
  if (typeof value === "string")
    return /^#\d$/.test(value) ? (secretTexts[Number(value[1])] ?? "") : value === "#" ? secret : value;
  if (Array.isArray(value)) return value.map(withSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withSecrets(member)]));
}

function drawFields(draw: Draw, depth = 3): Json {
  const inner = (): Json => (depth > 0 ? drawFields(draw, depth - 1) : null);
  return draw.some(
    {
      authorization: () => "#",
      Authorization: () => "#",
      accessKeyId: () => "#",
      accessKeySecret: () => "#",
      accessKey: () => "#",
      accessSecret: () => "#",
      securityToken: () => "#",
      "x-acs-signature": () => "#",
      otelToken: () => "#",
      url: () => drawSecretText(draw),
      eniId: () => draw.anything(),
      [draw.oddText()]: () => draw.anything(),
      headers: inner,
      request: inner,
      list: () => [inner(), drawSecretText(draw)],
    },
    0.2,
  );
}

/** How a drawn value comes: as it is, or as one of the objects that JSON does not have. */
const forms = [
  "plain",
  "error",
  "sdk",
  "cloud",
  "cycle",
  "map",
  "date",
  "bigint",
  "symbol",
  "function",
  "null-prototype",
  "toJSON",
  "causes",
] as const;

const lines: string[] = [];
const log = createLogger({ level: "debug", write: (line) => lines.push(line) });

export const logLines: Target = {
  name: "log",
  weight: 1,
  draw: (draw) => ({
    level: draw.pick(["debug", "info", "warn", "error"]),
    message: draw.chance(0.5) ? drawSecretText(draw) : draw.oddText(),
    form: draw.pick(forms),
    code: draw.anything(0),
    number: draw.number(),
    text: drawSecretText(draw),
    fields: drawFields(draw),
  }),
  check: (input) => {
    const { level, message, form, fields, ...rest } = membersOf(withSecrets(input));
    lines.length = 0;
    const at = level === "error" || level === "warn" || level === "info" ? level : "debug";
    log[at](textOf(message), { ...membersOf(fields), value: toForm(textOf(form), membersOf(fields), rest) });
    promise(lines.length === 1, `${lines.length} lines`);
    const [line = ""] = lines;
    promise(/^[^\n]+\n$/.test(line), "not one line");
    promise(typeof membersOf(JSON.parse(line) as Json)["time"] === "string", "no time");
    promise(!tellsSecret(line), () => `told: ${line}`);
  },
};

function toForm(form: string, fields: Readonly<Record<string, Json>>, rest: Readonly<Record<string, Json>>): unknown {
  const text = textOf(rest["text"]);
  switch (form) {
    case "error":
      return Object.assign(new Error(text, { cause: fields }), fields);
    case "sdk":
      return toCallFailed(sdkError(text, fields, rest));
    case "cloud":
      return toOperatorError("DescribeVSwitches", toCallFailed(sdkError(text, fields, rest)), 0);
    case "causes":
      return new TransientError("X", text, { cause: new CallFailed({ kind: "timeout", code: text, message: text }) });
    case "cycle": {
      const cycle: Record<string, unknown> = { ...fields };
      cycle["self"] = cycle;
      return Object.assign(new Error(text), { cause: cycle });
    }
    default:
      return toOddObject(form, fields, rest);
  }
}

function toOddObject(
  form: string,
  fields: Readonly<Record<string, Json>>,
  rest: Readonly<Record<string, Json>>,
): unknown {
  switch (form) {
    case "map":
      return new Map(Object.entries(fields));
    case "date":
      return new Date(numberOf(rest["number"]));
    case "bigint":
      return 10n;
    case "symbol":
      return Symbol("x");
    case "function":
      return () => undefined;
    case "null-prototype":
      return Object.assign(Object.create(null) as object, fields);
    case "toJSON":
      return { ...fields, toJSON: () => fields };
    default:
      return fields;
  }
}

/** As the SDK throws it: the request, its headers and its signed URL go with it. */
function sdkError(
  text: string,
  fields: Readonly<Record<string, Json>>,
  { code, number }: Readonly<Record<string, Json>>,
): Error {
  return Object.assign(new Error(text), {
    code,
    statusCode: number,
    data: { ...fields, Message: text },
    description: text,
    request: { headers: fields, url: text },
  });
}
