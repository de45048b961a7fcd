import { describe, expect, it } from "@jest/globals";
import { anEni, aState, nowMs } from "./fixtures.ts";
import { EniLedger } from "./ledger.ts";
import { planNetworkInterface } from "./plan.ts";

const eniId = "eni-1";

describe("the ledger", () => {
  it("counts a call from when it was sent: a detach that waited a minute for the quota does not hang", () => {
    const ledger = new EniLedger();
    ledger.startCall(eniId, "detach", 1, nowMs);
    ledger.sent(eniId, nowMs + 60_000);
    ledger.endCall(eniId, { type: "accepted", atMs: nowMs + 60_100 });
    ledger.observe(eniId, anEni("Detaching"), nowMs + 61_000);
    const state = aState({ goal: "gone", nowMs: nowMs + 61_000, ...ledger.of(eniId) });
    expect(planNetworkInterface(state)).toEqual({
      action: { type: "watch", operation: "detach", sinceMs: nowMs + 60_000 },
    });
  });

  it("takes what was read while the call waited for old", () => {
    const ledger = new EniLedger();
    ledger.startCall(eniId, "detach", 1, nowMs);
    ledger.observe(eniId, anEni("InUse"), nowMs + 59_000);
    ledger.sent(eniId, nowMs + 60_000);
    ledger.endCall(eniId, { type: "accepted", atMs: nowMs + 60_100 });
    const state = aState({ goal: "gone", nowMs: nowMs + 120_000, ...ledger.of(eniId) });
    expect(planNetworkInterface(state).action).toMatchObject({ type: "watch", operation: "detach" });
  });

  it("keeps the newest read when answers overtake each other", () => {
    const ledger = new EniLedger();
    ledger.observe(eniId, anEni("InUse"), nowMs + 2);
    ledger.observe(eniId, anEni("Attaching"), nowMs + 1);
    expect(ledger.of(eniId).knowledge?.eni?.status).toBe("InUse");
  });
});
