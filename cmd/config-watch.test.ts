import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { Logger } from "../runtime/ports.ts";
import { createMetrics } from "../runtime/metrics.ts";
import { VirtualClock } from "../test/fixtures/virtual-clock.ts";
import { createConfigMetrics } from "./config-metrics.ts";
import { ConfigWatch } from "./config-watch.ts";
import { parseConfigFile, readContent } from "./config.ts";

const minimal = "regionID: cn-hangzhou\nclusterID: c1\nvpcID: vpc-1\n";

/** A running watch over a file that is mounted as a ConfigMap is: by a link that is exchanged. */
class Mounted {
  readonly clock = new VirtualClock();
  readonly folder = mkdtempSync(join(tmpdir(), "config-watch-"));
  readonly path = join(this.folder, "ctrl-config.yaml");
  readonly log: { readonly message: string; readonly fields: unknown }[] = [];
  readonly levels: string[] = [];
  readonly watch: ConfigWatch;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;
  #version = 0;

  constructor(text: string) {
    symlinkSync(join("..data", "ctrl-config.yaml"), this.path);
    this.exchange(text);
    const { config } = parseConfigFile(readContent(this.path));
    this.watch = new ConfigWatch({ path: this.path, started: config, clock: this.clock, log: this.#logger() });
    this.watch.degradation.onChange((level) => this.levels.push(level));
    this.#ended = this.watch.start(this.#stop.signal);
  }

  /** What the kubelet does when the ConfigMap changes; without a text the file is gone. */
  exchange(text?: string): void {
    const name = `..version-${++this.#version}`;
    mkdirSync(join(this.folder, name));
    if (text !== undefined) writeFileSync(join(this.folder, name, "ctrl-config.yaml"), text);
    symlinkSync(name, join(this.folder, "..data_tmp"));
    renameSync(join(this.folder, "..data_tmp"), join(this.folder, "..data"));
  }

  async exchanged(text?: string): Promise<void> {
    this.exchange(text);
    await this.clock.advance(5_000);
  }

  messages(): string[] {
    return this.log.map(({ message }) => message);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    rmSync(this.folder, { recursive: true });
  }

  #logger(): Logger {
    const say = (message: string, fields?: unknown): void => void this.log.push({ message, fields });
    const log: Logger = { debug: say, info: say, warn: say, error: say, child: () => log };
    return log;
  }
}

describe("the configuration file while the process runs", () => {
  let mounted: Mounted;
  beforeEach(() => {
    mounted = new Mounted(minimal);
  });
  afterEach(() => mounted.end());

  it("degradation counts within 5 s of a change, is told to those who asked, and logged with old and new", async () => {
    const { watch } = mounted;
    expect(watch.degradation.level()).toBe("");
    await mounted.exchanged(`${minimal}degradation: l0\n`);
    expect(watch.degradation.level()).toBe("l0");
    await mounted.exchanged(`${minimal}Degradation: l1\n`);
    await mounted.exchanged(minimal);
    expect(mounted.levels).toEqual(["l0", "l1", ""]);
    expect(mounted.log).toEqual([
      { message: "degradation has changed", fields: { from: "", to: "l0" } },
      { message: "degradation has changed", fields: { from: "l0", to: "l1" } },
      { message: "degradation has changed", fields: { from: "l1", to: "" } },
    ]);
  });

  it("a file that stays as it is says nothing", async () => {
    await mounted.clock.advance(60_000);
    await mounted.exchanged(`${minimal}# a remark\n`);
    expect(mounted.messages()).toEqual([]);
  });

  it.each([
    { name: "a file that is gone", text: undefined, says: /has mistakes: this process goes on as it was/ },
    { name: "a file that is no YAML", text: "a: [\n", says: /has mistakes/ },
    { name: "an unknown level", text: `${minimal}degradation: L1\n`, says: /no known degradation; l0 stays in force/ },
    { name: "a level that is no text", text: `${minimal}degradation: [l1]\n`, says: /has mistakes/ },
  ])("$name changes nothing and is warned about once", async ({ text, says }) => {
    await mounted.exchanged(`${minimal}degradation: l0\n`);
    mounted.log.length = 0;
    await mounted.exchanged(text);
    await mounted.clock.advance(60_000);
    expect(mounted.watch.degradation.level()).toBe("l0");
    expect(mounted.messages()).toEqual([expect.stringMatching(says)]);
    await mounted.exchanged(`${minimal}degradation: l1\n`);
    expect(mounted.watch.degradation.level()).toBe("l1");
  });

  it("a mistake elsewhere in the file is named with its remedy and does not keep degradation from counting", async () => {
    await mounted.exchanged(`${minimal}degradation: l0\nwebhookPort: 70000\n`);
    expect(mounted.watch.degradation.level()).toBe("l0");
    expect(mounted.log[0]).toMatchObject({
      message: expect.stringContaining("another would not start"),
      fields: { problems: ["webhookPort: is out of range; use 1 to 65535"] },
    });
  });

  it("other keys that change are named once, and again only with a further one", async () => {
    const changed = `${minimal}podMaxConcurrent: 20\n`;
    await mounted.exchanged(changed);
    await mounted.exchanged(`${changed}degradation: l1\n`);
    await mounted.exchanged(`${changed}controllers: [-eni]\n`);
    await mounted.exchanged(minimal);
    await mounted.exchanged(changed);
    expect(mounted.messages().filter((message) => message.includes("restart"))).toEqual([
      "the configuration file has changed; only a restart puts in force: podMaxConcurrent",
      "the configuration file has changed; only a restart puts in force: controllers, podMaxConcurrent",
      "the configuration file has changed; only a restart puts in force: podMaxConcurrent",
    ]);
  });

  it("metrics show the level in force and the workers of each controller", async () => {
    const { registry } = createMetrics();
    const { config } = parseConfigFile({ path: "c.yaml", text: `${minimal}podMaxConcurrent: 7\n` });
    createConfigMetrics(registry, config, mounted.watch.degradation);
    await mounted.exchanged(`${minimal}degradation: l1\n`);
    const text = await registry.metrics();
    expect(text).toContain('terway_degradation{level="l0"} 0');
    expect(text).toContain('terway_degradation{level="l1"} 1');
    expect(text).toContain('terway_controlplane_config_info{controller="pod",max_concurrent="7"} 1');
    expect(text).toContain('terway_controlplane_config_info{controller="pod-networking",max_concurrent="1"} 1');
  });
});
