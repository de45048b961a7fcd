import { describe, expect, it } from "@jest/globals";
import { OperatorError, ThrottledError } from "../runtime/errors.ts";
import { CallFailed } from "./call.ts";
import { errorRows, findErrorRow } from "./error-codes.ts";
import { toOperatorError } from "./operator-error.ts";

const failed = (code: string, overrides: Partial<ConstructorParameters<typeof CallFailed>[0]> = {}) =>
  new CallFailed({ kind: "answered", code, message: "text", status: 400, requestId: "R-1", ...overrides });

/** A code that the row matches: itself, or a member of the family. */
const exampleOf = (match: string) => match.replace("*", match.startsWith("*") ? "SomeThing" : ".Some");

describe("the error table", () => {
  it.each(errorRows)("$match is $category/$reason", (row) => {
    const error = toOperatorError("AttachNetworkInterface", failed(exampleOf(row.match)), 0);
    expect(error).toBeInstanceOf(OperatorError);
    expect(error).toMatchObject({ category: row.category, reason: row.reason });
    expect(error.cloud).toMatchObject({ api: "AttachNetworkInterface", code: exampleOf(row.match), requestId: "R-1" });
    expect(error.cloud?.outcome).toBe(row.outcome === "byStatus" ? "refused" : row.outcome);
    expect(row.reason).toMatch(/^[A-Z][A-Za-z0-9]+$/);
    expect(row.remedy).not.toBe("");
  });

  it("has each code once", () => {
    const matches = errorRows.map((row) => row.match);
    expect(new Set(matches).size).toBe(matches.length);
  });

  const rows: readonly { code: string; want: string }[] = [
    { code: "Throttling", want: "Throttled" },
    { code: "Throttling.User", want: "Throttled" },
    { code: "Throttling.Api", want: "Throttled" },
    { code: "Forbidden.SubUser", want: "AccessDenied" },
    { code: "QuotaExceeded.PrivateIpAddress", want: "VSwitchExhausted" },
    { code: "QuotaExceeded.Else", want: "QuotaExceeded" },
    { code: "InvalidAccessKeyId.NotFound", want: "InvalidCredential" },
    { code: "InvalidSecurityGroupId.NotVpc", want: "SecurityGroupMismatch" },
    { code: "InvalidKeyPair.NotFound", want: "ResourceNotFound" },
    { code: "InvalidParameter.EniNotBelongEcs", want: "InterfaceStateChanged" },
    { code: "InvalidParameter.VSwitchId", want: "InvalidParameter" },
  ];
  it.each(rows)("$code is $want: exact codes win over families, and the first family wins", ({ code, want }) => {
    expect(findErrorRow(code)?.reason).toBe(want);
  });

  it("counts an unknown code and repeats it", () => {
    const unknown: string[] = [];
    const error = toOperatorError("DeleteNetworkInterface", failed("Strange.Code"), 0, (code) => unknown.push(code));
    expect(error).toMatchObject({ category: "transient", reason: "UnknownCloudError" });
    expect(unknown).toEqual(["Strange.Code"]);
  });

  it("leaves the outcome open when the server failed or nothing came back", () => {
    const outcome = (failure: CallFailed) => toOperatorError("AttachNetworkInterface", failure, 0).cloud?.outcome;
    expect(outcome(failed("Strange", { status: 500 }))).toBe("unknown");
    expect(outcome(failed("InternalError", { status: 500 }))).toBe("unknown");
    expect(outcome(failed("Throttling.User", { status: 503 }))).toBe("refused");
    expect(outcome(failed("Timeout", { kind: "timeout", status: undefined }))).toBe("unknown");
    expect(outcome(failed("NotSent", { kind: "notSent", status: undefined }))).toBe("refused");
  });

  it("names the missing RAM action", () => {
    const error = toOperatorError(
      "CreateNetworkInterface",
      failed("Forbidden.RAM", { missingAction: "ecs:CreateNetworkInterface" }),
      0,
    );
    expect(error.cloud?.missingAction).toBe("ecs:CreateNetworkInterface");
    expect(error.message).toContain("ecs:CreateNetworkInterface");
  });

  it("has equal messages for a repeated failure", () => {
    const message = (requestId: string) =>
      toOperatorError("DeleteNetworkInterface", failed("TaskConflict", { requestId }), 0).message;
    expect(message("R-1")).toBe(message("R-2"));
  });

  it("says when a throttled call may succeed: what the cloud says, or the next minute", () => {
    const retryAfter = (retryAfterMs?: number) => {
      const error = toOperatorError("DeleteNetworkInterface", failed("Throttling", { retryAfterMs }), 61_000);
      return error instanceof ThrottledError ? error.retryAfterMs : undefined;
    };
    expect(retryAfter(1_500)).toBe(1_500);
    expect(retryAfter()).toBe(59_000);
  });
});
