import { describe, expect, it } from "@jest/globals";
import { SharedCauses } from "./shared-causes.ts";

const denied = { reason: "AccessDenied", message: "not allowed" };

/** A clock that stands where it is put. */
function aCause(): { readonly causes: SharedCauses; readonly at: (nowMs: number) => void } {
  let now = 1_000;
  return { causes: new SharedCauses({ now: () => now }), at: (nowMs) => void (now = nowMs) };
}

describe("a cause that many share", () => {
  it("stops nobody before it is known, nor after it has ended", () => {
    const { causes } = aCause();
    expect(causes.holdOf("create", "a", "pod-1")).toBeUndefined();
    causes.failed("create", "a", denied);
    causes.succeeded("create");
    expect(causes.holdOf("create", "a", "pod-1")).toBeUndefined();
  });

  it("stops all of its scope and says why, and no other scope", () => {
    const { causes } = aCause();
    causes.failed("create", "a", denied);
    expect(causes.holdOf("create", "a", "pod-2")).toEqual({ ...denied, isDue: false, retryAfterMs: 20_000 });
    expect(causes.holdOf("attach", "a", "pod-2")).toBeUndefined();
  });

  it("is tried by one of them every 20 s", () => {
    const { causes, at } = aCause();
    causes.failed("create", "a", denied);
    at(21_000);
    expect(causes.holdOf("create", "a", "pod-1")).toMatchObject({ isDue: true, retryAfterMs: 0 });
    causes.claim("create", "a", "pod-1");
    causes.claim("create", "a", "pod-2");
    expect(causes.holdOf("create", "a", "pod-1")).toBeUndefined();
    expect(causes.holdOf("create", "a", "pod-2")).toMatchObject({ isDue: false, retryAfterMs: 20_000 });
    causes.failed("create", "a", denied);
    expect(causes.holdOf("create", "a", "pod-1")).toMatchObject({ isDue: false });
  });

  it("is tried by the next one when the first does not come to it", () => {
    const { causes, at } = aCause();
    causes.failed("create", "a", denied);
    at(21_000);
    causes.claim("create", "a", "pod-1");
    at(41_000);
    causes.claim("create", "a", "pod-2");
    expect(causes.holdOf("create", "a", "pod-2")).toBeUndefined();
    expect(causes.holdOf("create", "a", "pod-1")).toMatchObject({ isDue: false });
  });

  it("is tried at once, and once, by another kind of request", () => {
    const { causes } = aCause();
    causes.failed("create", "a", denied);
    expect(causes.holdOf("create", "b", "pod-2")).toMatchObject({ isDue: true });
    causes.claim("create", "b", "pod-2");
    expect(causes.holdOf("create", "b", "pod-2")).toBeUndefined();
    expect(causes.holdOf("create", "b", "pod-3")).toMatchObject({ isDue: false });
  });

  it("tells that it has ended once, and only when it held", () => {
    const { causes } = aCause();
    let told = 0;
    causes.onLifted(() => {
      told++;
    });
    causes.succeeded("create");
    causes.failed("create", "a", denied);
    causes.succeeded("create");
    causes.succeeded("create");
    expect(told).toBe(1);
  });

  it("is forgotten when nobody has come to it for ten minutes", () => {
    const { causes, at } = aCause();
    causes.failed("create", "a", denied);
    at(700_000);
    causes.failed("attach", "a", denied);
    expect(causes.holdOf("create", "a", "pod-1")).toBeUndefined();
  });
});
