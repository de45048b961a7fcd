import { type Api, defaultQuotas, quotaWindowMs } from "./api.ts";

/**
 * Calls per API and wall-clock minute: the window is floor(now / 60 000), not a sliding one and not counted from the
 * first call. A refused call does not count. Source: published-measured §1.
 */
export class Quotas {
  readonly #limits: Readonly<Record<Api, number>>;
  readonly #used = new Map<Api, { minute: number; calls: number }>();

  constructor(limits: Partial<Record<Api, number>>) {
    this.#limits = { ...defaultQuotas, ...limits };
  }

  /**
   * Takes one call from the quota.
   * @param neighbourShare part of the quota, 0…1, that another client of the account uses
   * @returns false when the minute's quota is used up
   */
  take(api: Api, nowMs: number, neighbourShare: number): boolean {
    const minute = Math.floor(nowMs / quotaWindowMs);
    const used = this.#used.get(api);
    const calls = used?.minute === minute ? used.calls : 0;
    if (calls >= Math.floor(this.#limits[api] * (1 - neighbourShare))) return false;
    this.#used.set(api, { minute, calls: calls + 1 });
    return true;
  }
}
