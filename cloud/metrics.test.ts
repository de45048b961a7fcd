import { describe, expect, it } from "@jest/globals";
import { Registry } from "prom-client";
import { createCloudMetrics } from "./metrics.ts";

const callBuckets = [50, 100, 200, 400, 800, 1600, 3200, 6400, 12800, 13800, 14800, 16800, 20800, 28800, 44800];

describe("the published metrics of calls", () => {
  it.each([
    { name: "aliyun_openapi_latency", buckets: callBuckets },
    { name: "rate_limiter_latency", buckets: callBuckets.slice(2) },
  ])("$name has the published buckets, in milliseconds", async ({ name, buckets }) => {
    const registry = new Registry();
    const metrics = createCloudMetrics(registry, { limiter: () => [], outages: () => [] });
    metrics.called("AttachNetworkInterface", 1, false);
    metrics.waited("AttachNetworkInterface", 1);
    const text = await registry.metrics();
    const found = [...text.matchAll(new RegExp(`^${name}_bucket\\{le="(\\d+)"`, "gm"))].map(([, le]) => Number(le));
    expect(found).toEqual(buckets);
  });
});
