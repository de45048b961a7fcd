import { describe, expect, it } from "@jest/globals";
import { TerminalError, TransientError } from "./errors.ts";
import { createLogger, levelOf, redact } from "./log.ts";
import type { LogLevel } from "./log.ts";

function aLogger(level: LogLevel = "debug") {
  const lines: string[] = [];
  const log = createLogger({ level, write: (line) => lines.push(line) });
  const entries = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, entries };
}

describe("createLogger", () => {
  it("writes one JSON object a line with its keys in a fixed order", () => {
    const { log, lines } = aLogger();
    log.child({ controller: "pod-eni" }).info("phase changed", { to: "Bind", name: "web-0", namespace: "default" });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{"time":"\d{4}-.*Z","level":"info","message":"phase changed",/);
    expect(Object.keys(JSON.parse(lines[0]!) as object)).toEqual([
      "time",
      "level",
      "message",
      "controller",
      "namespace",
      "name",
      "to",
    ]);
    expect(lines[0]!.endsWith("\n")).toBe(true);
  });

  it("drops what is below its level", () => {
    const { log, entries } = aLogger("warn");
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    expect(entries().map((entry) => entry["message"])).toEqual(["c", "d"]);
  });

  it("keeps a field named message apart from the message", () => {
    const { log, entries } = aLogger();
    log.info("first", { message: "second" });
    expect(entries()[0]!["message"]).toBe("first");
  });

  it("keeps the chain of causes, the category and the cloud's request id; the stack only for defects", () => {
    const { log, entries } = aLogger();
    const cloud = { api: "AttachNetworkInterface", code: "Timeout", requestId: "R-1", outcome: "unknown" } as const;
    log.info("failed", { error: new TransientError("CloudDown", "no answer", { cloud, cause: new Error("reset") }) });
    log.error("failed", { error: new TerminalError("Forbidden", "no right") });
    const [first, second] = entries().map((entry) => entry["error"]);
    expect(first).toEqual({
      type: "TransientError",
      message: "no answer",
      category: "transient",
      reason: "CloudDown",
      cloud,
      cause: { type: "Error", message: "reset" },
    });
    expect(second).toHaveProperty("stack");
  });

  it("never writes a credential, wherever it hides", () => {
    const { log, lines } = aLogger();
    const url = "https://ecs/?Action=X&AccessKeyId=LTAI5t&Signature=c2Vj%3D&SecurityToken=CAIS1&Format=JSON";
    const request = Object.assign(new Error(`GET ${url} failed`), {
      config: { headers: { Authorization: "ACS3 LTAI5t" } },
    });
    log.error(url, {
      error: new TransientError("X", url, { cause: request }),
      query: {
        accessKeyId: "LTAI5t",
        accessKeySecret: "c2Vj",
        SecurityToken: "CAIS1",
        "x-acs-security-token": "CAIS1",
      },
      body: '{"AccessKeyId":"LTAI5t","SecurityToken": "CAIS1"}',
      header: "Authorization: Bearer CAIS1.x.y",
    });
    expect(lines[0]).not.toMatch(/LTAI5t|c2Vj|CAIS1/);
    expect(lines[0]).toContain("Format=JSON");
    expect(redact("nothing to hide")).toBe("nothing to hide");
  });

  it.each([
    {
      name: "the credential file, as it was read",
      fields: { credential: { accessKey: "LTAI5t", accessSecret: "LTAI5t", otelToken: "LTAI5t" } },
    },
    {
      name: "the credential file, as a text",
      fields: { text: "accessKey: LTAI5t\naccessSecret: 'LTAI5t'\notelToken: LTAI5t" },
    },
    {
      name: "a signed header",
      fields: { text: "ACS3-HMAC-SHA256 Credential=LTAI5t,SignedHeaders=host,Signature=LTAI5t" },
    },
    { name: "an error code", fields: { error: Object.assign(new Error("m"), { code: "?AccessKeyId=LTAI5t" }) } },
  ])("never writes a credential of $name", ({ fields }) => {
    const { log, lines } = aLogger();
    log.info("odd", fields);
    expect(lines.join()).not.toContain("LTAI5t");
  });

  it("survives cycles, bigints and maps", () => {
    const { log, entries } = aLogger();
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    log.info("odd", { cycle, count: 12n, byName: new Map([["a", 1]]) });
    expect(entries()[0]).toMatchObject({ count: "12", byName: { a: 1 } });
  });

  it("maps the published -v to a level", () => {
    expect([0, 2, 3, 4, 9].map(levelOf)).toEqual(["info", "info", "info", "debug", "debug"]);
  });
});
