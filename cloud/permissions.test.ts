import { describe, expect, it } from "@jest/globals";
import { TerminalError, TransientError } from "../runtime/errors.ts";
import type { ApiName } from "./call.ts";
import type { Invoke } from "./invoke.ts";
import { findDeniedActions } from "./permissions.ts";

const never = new AbortController().signal;

/** What the cloud answers to a call about resources that do not exist. */
function refused(api: string, code: string, reason: string): TerminalError {
  return new TerminalError(reason, code, { cloud: { api, code, outcome: "refused" } });
}

describe("the check of permissions", () => {
  const world = (refusalOf: (api: ApiName) => Error | undefined) => {
    const asked: ApiName[] = [];
    const invoke: Invoke = (api) => {
      asked.push(api);
      const refusal = refusalOf(api);
      return refusal === undefined ? Promise.resolve({}) : Promise.reject(refusal);
    };
    return { asked, invoke };
  };
  const notFound = (api: ApiName) => refused(api, "InvalidEniId.NotFound", "InterfaceNotFound");

  it("finds nothing when the cloud only misses the resources", async () => {
    const { asked, invoke } = world((api) => (api.startsWith("Describe") ? undefined : notFound(api)));
    await expect(findDeniedActions(invoke, "cn-hangzhou", never)).resolves.toEqual([]);
    expect(new Set(asked).size).toBe(7);
  });

  it("names every action that is denied, and asks on after the first", async () => {
    const lacking = ["DescribeVSwitches", "DeleteNetworkInterface"];
    const { invoke } = world((api) =>
      lacking.includes(api) ? refused(api, "Forbidden.RAM", "AccessDenied") : notFound(api),
    );
    const denied = await findDeniedActions(invoke, "cn-hangzhou", never);
    expect([...denied].sort()).toEqual(["ecs:DeleteNetworkInterface", "vpc:DescribeVSwitches"]);
  });

  it("spends one call on a wrong key, which says nothing about rights", async () => {
    const { asked, invoke } = world((api) => refused(api, "SignatureDoesNotMatch", "InvalidCredential"));
    await expect(findDeniedActions(invoke, "cn-hangzhou", never)).rejects.toThrow("SignatureDoesNotMatch");
    expect(asked).toHaveLength(1);
  });

  it("takes no answer for no knowledge", async () => {
    const { invoke } = world(() => new TransientError("Timeout", "no answer in time"));
    await expect(findDeniedActions(invoke, "cn-hangzhou", never)).rejects.toThrow("no answer");
  });
});
