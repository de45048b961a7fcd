/** docs/metrics.md names every metric of the program with its labels, and no other. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import type { Registry } from "prom-client";
import { createCloudMetrics } from "../cloud/metrics.ts";
import { createBindMetrics } from "../cmd/bind-metrics.ts";
import { createPlaneMetrics } from "../cmd/plane-metrics.ts";
import { createConfigMetrics } from "../cmd/config-metrics.ts";
import { parseConfigFile } from "../cmd/config.ts";
import { createMetrics } from "../runtime/metrics.ts";
import { createWebhookMetrics } from "../webhook/metrics.ts";

const text = readFileSync(new URL("../docs/metrics.md", import.meta.url), "utf8");

/** Labels by name of the metric, as the registry knows them; in alphabetical order. */
function metricsOf(registry: Registry): Map<string, string[]> {
  // prom-client declares no way to ask for labels; its metric objects carry them.
  const metrics = registry.getMetricsAsArray() as unknown[];
  return new Map(
    metrics.map((metric) => {
      const { name, labelNames } = metric as { readonly name: string; readonly labelNames: readonly string[] };
      return [name, [...labelNames].sort()];
    }),
  );
}

/** The same from the tables of the page: first and third column. */
function documented(): Map<string, string[]> {
  const rows = text.matchAll(/^\| `(\w+)`\s*\| (?:counter|gauge|histogram)[^|]*\|([^|]*)\|/gm);
  return new Map([...rows].map(([, name, labels]) => [name!, labelNamesIn(labels!)]));
}

/** Values of a label, and remarks, stand behind a colon or in brackets. */
function labelNamesIn(cell: string): string[] {
  const names = cell.replace(/\([^)]*\)/g, "").replace(/:.*$/, "");
  return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name!).sort();
}

describe("docs/metrics.md", () => {
  it("lists the metrics of the program with their labels", () => {
    const { registry } = createMetrics();
    createCloudMetrics(registry, { limiter: () => [], outages: () => [] });
    createWebhookMetrics(registry);
    createBindMetrics(registry, { inUse: 0, waiting: 0, limit: 100 });
    createPlaneMetrics(registry, () => []);
    const { config } = parseConfigFile({ path: "none", text: "" });
    createConfigMetrics(registry, config, { level: () => "", onChange: () => undefined });
    expect(documented()).toEqual(metricsOf(registry));
  });
});
