import { describe, expect, it } from "@jest/globals";
import fc from "../../test/fixtures/property.ts";
import { CallFailed } from "../../cloud/call.ts";
import { toOperatorError } from "../../cloud/operator-error.ts";
import {
  CapacityError,
  ConflictError,
  FencedError,
  InvariantError,
  NotFoundError,
  TerminalError,
  ThrottledError,
  TransientError,
  WaitingError,
} from "../../runtime/errors.ts";
import { clientToken, toCreationFailure } from "./creation.ts";
import type { CreationFailure } from "./state.ts";

const intent = { podEniUid: "uid-1", interface: "eth0", vSwitchId: "vsw-1", attempt: 0 };

describe("the client token of a creation", () => {
  it("is the same in every process and release, or an upgrade in between would make a second interface", () => {
    expect(clientToken(intent)).toBe("85833dbf33739b6192add419fbc9c1db");
  });

  it.each([
    { name: "another PodENI, be it of the same name", change: { podEniUid: "uid-2" } },
    { name: "another interface of the pod", change: { interface: "eth1" } },
    { name: "another vSwitch", change: { vSwitchId: "vsw-2" } },
    { name: "another attempt", change: { attempt: 1 } },
  ])("is another one for $name", ({ change }) => {
    expect(clientToken({ ...intent, ...change })).not.toBe(clientToken(intent));
  });

  it("tells any two intents apart and suits ECS: at most 64 ASCII characters", () => {
    // Names in Kubernetes and ids of the cloud have no slash.
    const word = fc.string({ maxLength: 8 }).filter((text) => !text.includes("/"));
    const anyIntent = fc.record({ podEniUid: word, interface: word, vSwitchId: word, attempt: fc.nat() });
    fc.assert(
      fc.property(anyIntent, anyIntent, (one, other) => {
        expect(clientToken(one)).toMatch(/^[0-9a-f]{32}$/);
        const isEqual = JSON.stringify(one) === JSON.stringify(other);
        expect(clientToken(one) === clientToken(other)).toBe(isEqual);
      }),
      { numRuns: 200 },
    );
  });
});

interface Row {
  readonly name: string;
  readonly error: unknown;
  /** How often the creation failed, this time included. @default 1 */
  readonly failures?: number;
  readonly failure: CreationFailure;
}

const table: readonly Row[] = [
  {
    name: "a rate limit: the same again when the cloud allows it",
    error: new ThrottledError("Throttled", "too many calls", 42_000),
    failures: 9,
    failure: { remedy: "repeat", reason: "Throttled", message: "too many calls", retryAfterMs: 42_000 },
  },
  {
    name: "somebody else must finish first: the same again when it is worth it",
    error: new WaitingError("OperationInProgress", "busy", 1_500),
    failures: 9,
    failure: { remedy: "repeat", reason: "OperationInProgress", message: "busy", retryAfterMs: 1_500 },
  },
  {
    name: "no answer: the same again, for the token finds what was made",
    error: new TransientError("ConnectionLost", "connection lost"),
    failure: { remedy: "repeat", reason: "ConnectionLost", message: "connection lost", retryAfterMs: 1_000 },
  },
  {
    name: "no answer for the fourth time: after a longer pause",
    error: new TransientError("ConnectionLost", "connection lost"),
    failures: 4,
    failure: { remedy: "repeat", reason: "ConnectionLost", message: "connection lost", retryAfterMs: 8_000 },
  },
  {
    name: "no answer for long: every 30 s",
    error: new TransientError("ConnectionLost", "connection lost"),
    failures: 6,
    failure: { remedy: "repeat", reason: "ConnectionLost", message: "connection lost", retryAfterMs: 30_000 },
  },
  {
    name: "a conflict: the same again",
    error: new ConflictError("Conflict", "stale"),
    failure: { remedy: "repeat", reason: "Conflict", message: "stale", retryAfterMs: 1_000 },
  },
  {
    name: "not found: the same again",
    error: new NotFoundError("NotFound", "no such object"),
    failure: { remedy: "repeat", reason: "NotFound", message: "no such object", retryAfterMs: 1_000 },
  },
  {
    name: "the lease was lost: the same again, should it come back",
    error: new FencedError(),
    failure: { remedy: "repeat", reason: "LeaseLost", message: new FencedError().message, retryAfterMs: 1_000 },
  },
  {
    name: "another capacity than the vSwitch's: place given up",
    error: new CapacityError("AccountInterfaceLimit", "no more interfaces"),
    failure: { remedy: "stop", reason: "AccountInterfaceLimit", message: "no more interfaces", retryAfterMs: 20_000 },
  },
  {
    name: "a person must help: place given up",
    error: new TerminalError("AccessDenied", "not allowed"),
    failures: 3,
    failure: { remedy: "stop", reason: "AccessDenied", message: "not allowed", retryAfterMs: 20_000 },
  },
  {
    name: "a wrong key, which concerns every call: place given up until calls are held back for it",
    error: new TerminalError("InvalidCredential", "no such key"),
    failure: { remedy: "wait", reason: "InvalidCredential", message: "no such key", retryAfterMs: 1_000 },
  },
  {
    name: "our mistake: place given up",
    error: new InvariantError("InvalidCall", "missing parameter"),
    failure: { remedy: "stop", reason: "InvalidCall", message: "missing parameter", retryAfterMs: 20_000 },
  },
  {
    name: "an end in the middle of the call: the same again",
    error: Object.assign(new Error("aborted"), { name: "AbortError" }),
    failure: { remedy: "repeat", reason: "Stopping", message: "aborted", retryAfterMs: 1_000 },
  },
  {
    name: "an error of no category: the same again",
    error: new RangeError("out of range"),
    failures: 2,
    failure: { remedy: "repeat", reason: "InternalError", message: "out of range", retryAfterMs: 2_000 },
  },
  {
    name: "something thrown that is no error",
    error: "odd",
    failure: { remedy: "repeat", reason: "InternalError", message: "odd", retryAfterMs: 1_000 },
  },
];

describe("what helps after a failed creation", () => {
  it.each(table)("$name", ({ error, failures = 1, failure }) => {
    expect(toCreationFailure(error, failures)).toEqual(failure);
  });

  // Through the error table, so that a reason that is renamed there cannot go unnoticed here.
  it.each([
    { code: "InvalidVSwitchId.IpNotEnough", remedy: "nextVSwitch", retryAfterMs: 0 },
    { code: "QuotaExceeded.PrivateIpAddress", remedy: "nextVSwitch", retryAfterMs: 0 },
    { code: "InvalidVSwitchId.NotFound", remedy: "nextVSwitch", retryAfterMs: 0 },
    { code: "InvalidVSwitchId.Other", remedy: "nextVSwitch", retryAfterMs: 0 },
    { code: "IdempotentFailed", remedy: "newToken", retryAfterMs: 1_000 },
    { code: "IdempotentParameterMismatch", remedy: "newToken", retryAfterMs: 1_000 },
    { code: "Throttling", remedy: "repeat", retryAfterMs: 60_000 },
    { code: "OperationConflict", remedy: "repeat", retryAfterMs: 1_000 },
    { code: "IncorrectVSwitchStatus", remedy: "repeat", retryAfterMs: 1_000 },
    { code: "ServiceUnavailable", remedy: "repeat", retryAfterMs: 1_000 },
    { code: "Forbidden.RAM", remedy: "stop", retryAfterMs: 20_000 },
    { code: "InvalidSecurityGroupId.NotFound", remedy: "stop", retryAfterMs: 20_000 },
  ])("the cloud's $code asks for $remedy", ({ code, ...want }) => {
    const refusal = new CallFailed({ kind: "answered", code, message: "refused", status: 400 });
    const failure = toCreationFailure(toOperatorError("CreateNetworkInterface", refusal, 0), 1);
    expect(failure).toMatchObject(want);
    expect(failure.message).toContain(code);
  });

  it("pauses longer with every failure, for at least a second and at most half a minute", () => {
    const [again, stop] = [new TransientError("Timeout", "late"), new TerminalError("AccessDenied", "not allowed")];
    fc.assert(
      fc.property(fc.constantFrom(again, stop), fc.integer({ min: 1, max: 1e9 }), (error, failures) => {
        const pauseMs = toCreationFailure(error, failures).retryAfterMs;
        expect(pauseMs).toBeGreaterThanOrEqual(1_000);
        expect(pauseMs).toBeLessThanOrEqual(30_000);
        expect(toCreationFailure(error, failures + 1).retryAfterMs).toBeGreaterThanOrEqual(pauseMs);
      }),
      { numRuns: 200 },
    );
  });
});
