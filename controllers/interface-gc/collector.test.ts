import { describe, expect, it } from "@jest/globals";
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import { creatorTagValue, finalizers, tags } from "../../crds/v1beta1/names.ts";
import type { PodENI } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Eni } from "../../domain/eni/eni.ts";
import { InvariantError, TransientError } from "../../runtime/errors.ts";
import type { KubeObject, Lister, Logger, ObjectClient } from "../../runtime/ports.ts";
import { seededRandom } from "../../runtime/random.ts";
import { requestOf } from "../../runtime/reconcile.ts";
import { ApiTable, Versions } from "../../test/fixtures/api-table.ts";
import { ModelCloud } from "../../test/fixtures/model-cloud.ts";
import { VirtualClock } from "../../test/fixtures/virtual-clock.ts";
import { InterfaceCollector } from "./index.ts";

const clusterId = "c-1";
const minuteMs = 60_000;
const ours = { [tags.clusterId]: clusterId, [tags.creator]: creatorTagValue };

/** A running collector, the records it sees and a cloud that lists by tags, with a second of delay. */
class World {
  readonly clock = new VirtualClock();
  readonly cloud: ModelCloud;
  readonly podEnis: ApiTable<PodENI>;
  readonly records: ApiTable<NetworkInterface>;
  readonly collector: InterfaceCollector;
  readonly collected: string[] = [];
  readonly warnings: string[] = [];
  /** When each listing began, milliseconds since the start. */
  readonly listedAtMs: number[] = [];
  /** Calls that fail before they reach anything, by name; each entry fails one. */
  readonly failing: ("list" | "create" | "delete")[] = [];
  /** Records that the cache does not show yet. */
  readonly hidden = new Set<string>();
  readonly #startMs = this.clock.now();
  readonly #stop = new AbortController();
  #ended: Promise<void> | undefined;

  constructor() {
    const table = { versions: new Versions(), nowMs: () => this.clock.now() };
    const random = seededRandom(1);
    this.cloud = new ModelCloud({ nowMs: table.nowMs, random });
    this.podEnis = new ApiTable(table);
    this.records = new ApiTable(table);
    this.collector = new InterfaceCollector({
      podEnis: listerOf(this.podEnis),
      networkInterfaces: { lister: listerOf(this.records, this.hidden), client: this.#client() },
      cloud: {
        listEnis: async (filter) => {
          this.listedAtMs.push(this.clock.now() - this.#startMs);
          const found = this.cloud.list().filter((eni) => hasTags(eni, filter.tags));
          await this.clock.sleep(1_000);
          this.#mayFail("list");
          return found;
        },
      },
      clusterId,
      onCollected: (what) => void this.collected.push(what),
      random,
      clock: this.clock,
      log: this.#logger(),
    });
  }

  start(): this {
    this.#ended = this.collector.run(this.#stop.signal);
    return this;
  }

  /** Ends the collector. @returns once it has ended */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  /** An interface of this program, made just now for eth0 of a PodENI that is no more. */
  addEni(given: Partial<Eni> = {}, extraTags: Readonly<Record<string, string>> = {}): Eni {
    const owner = { [tags.podEniUid]: "uid-gone", [tags.interface]: "eth0" };
    return this.cloud.add({ eniId: "eni-1", tags: { ...ours, ...owner, ...extraTags }, ...given });
  }

  /** A PodENI with one interface; without an id it is still to be made. */
  addPodEni(given: { readonly eniId?: string; readonly interface?: string } = {}): PodENI {
    const { eniId, interface: name = "eth0" } = given;
    return this.podEnis.create({
      metadata: { name: "web-0", namespace: "default", uid: "uid-web-0" },
      spec: { allocations: [{ interface: name, eni: eniId === undefined ? {} : { id: eniId } }] },
    });
  }

  addRecord(spec: NetworkInterface["spec"] = {}): NetworkInterface {
    return this.records.create({ metadata: { name: "eni-1", finalizers: [finalizers.networkInterface] }, spec });
  }

  /** Records that are on their way out, by name. */
  released(): readonly string[] {
    const isDeleting = ({ metadata }: NetworkInterface): boolean => metadata.deletionTimestamp !== undefined;
    return this.records.list().flatMap((record) => (isDeleting(record) ? record.metadata.name : []));
  }

  #client(): ObjectClient<NetworkInterface> {
    const unused = (): Promise<never> => Promise.reject(new InvariantError("Unused", "the collector never patches"));
    return {
      getLive: unused,
      create: async (record) => {
        await this.clock.sleep(10);
        this.#mayFail("create");
        return this.records.create(record);
      },
      update: unused,
      updateStatus: unused,
      patch: unused,
      patchStatus: unused,
      delete: async (namespace, name) => {
        await this.clock.sleep(10);
        this.#mayFail("delete");
        this.records.delete(namespace, name);
      },
    };
  }

  #mayFail(call: "list" | "create" | "delete"): void {
    if (this.failing[0] !== call) return;
    this.failing.shift();
    throw new TransientError("ConnectionLost", `${call}: connection lost`);
  }

  #logger(): Logger {
    const quiet = (): void => undefined;
    const log: Logger = {
      debug: quiet,
      info: quiet,
      warn: (message) => void this.warnings.push(message),
      error: (message) => void this.warnings.push(message),
      child: () => log,
    };
    return log;
  }
}

function listerOf<T extends KubeObject>(table: ApiTable<T>, hidden: ReadonlySet<string> = new Set()): Lister<T> {
  const isShown = (object: T | undefined): object is T => object !== undefined && !hidden.has(object.metadata.name);
  return {
    get: (key) => {
      const { namespace, name } = requestOf(key);
      return [table.get(namespace, name)].find(isShown);
    },
    list: () => table.list().filter(isShown),
    byIndex: () => [],
  };
}

function hasTags(eni: Eni, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => eni.tags[name] === value);
}

/** What must be left alone for as long as it is so; nothing else is in the world. */
const leftAlone: readonly { readonly name: string; readonly given: (world: World) => void }[] = [
  { name: "an interface of another cluster", given: (world) => world.addEni({}, { [tags.clusterId]: "c-2" }) },
  { name: "an interface that somebody else made", given: (world) => world.addEni({}, { [tags.creator]: "terway" }) },
  { name: "an interface without any tag", given: (world) => world.addEni({ tags: {} }) },
  {
    name: "an interface that a PodENI names",
    given: (world) => {
      world.addPodEni({ eniId: "eni-1" });
      world.addEni();
    },
  },
  {
    name: "an interface whose record is kept by its policy: cache",
    given: (world) => {
      world.addRecord({ managePolicy: { cache: true } });
      world.addEni();
    },
  },
  {
    name: "an interface whose record is kept by its policy: unmanaged",
    given: (world) => {
      world.addRecord({ managePolicy: { unManaged: true } });
      world.addEni();
    },
  },
  {
    name: "an interface that its PodENI still is to make",
    given: (world) => {
      world.addPodEni();
      world.addEni({}, { [tags.podEniUid]: "uid-web-0" });
    },
  },
  {
    name: "an interface that a legacy PodENI, which names none, still is to make",
    given: (world) => {
      world.addPodEni({ interface: "" });
      world.addEni({}, { [tags.podEniUid]: "uid-web-0" });
    },
  },
  { name: "an interface that is being deleted", given: (world) => world.addEni({ status: "Deleting" }) },
  { name: "the trunk of a machine", given: (world) => world.addEni({ type: "Trunk" }) },
];

describe("the collector", () => {
  it("makes a record of an interface that nobody owns, and deletes it, for controller eni to do the rest", async () => {
    const world = new World();
    world.addEni({ vSwitchId: "vsw-9", zoneId: "zone-b", primaryIpv4: "10.0.9.9", macAddress: "00:16:3e:00:00:09" });
    world.start();
    await world.clock.advance(minuteMs);
    expect(world.records.list()).toEqual([
      {
        apiVersion: "network.alibabacloud.com/v1beta1",
        kind: "NetworkInterface",
        metadata: expect.objectContaining({
          name: "eni-1",
          finalizers: [finalizers.networkInterface],
          deletionTimestamp: expect.any(String),
        }),
        spec: {
          eni: { id: "eni-1", mac: "00:16:3e:00:00:09", zone: "zone-b", vSwitchID: "vsw-9" },
          ipv4: "10.0.9.9",
        },
      },
    ]);
    expect(world.collected).toEqual(["interface"]);
    expect(world.cloud.count).toMatchObject({ detached: 0, deleted: 0 });
  });

  it("is sure only after two sightings 10 s apart", async () => {
    const world = new World();
    world.addEni();
    world.start();
    await world.clock.advance(10_999);
    expect(world.listedAtMs.length).toBeGreaterThanOrEqual(2);
    expect(world.records.list()).toEqual([]);
    await world.clock.advance(9_001);
    expect(world.released()).toEqual(["eni-1"]);
  });

  it.each(leftAlone)("leaves alone: $name", async ({ given }) => {
    const world = new World();
    given(world);
    world.start();
    const before = world.records.list();
    await world.clock.advance(5 * minuteMs);
    expect(world.records.list()).toEqual(before);
    expect([world.collected, world.warnings]).toEqual([[], []]);
  });

  it("releases an interface as soon as the PodENI that was to make it is gone", async () => {
    const world = new World();
    world.addPodEni();
    world.addEni({}, { [tags.podEniUid]: "uid-web-0" });
    world.start();
    await world.clock.advance(2 * minuteMs);
    expect(world.released()).toEqual([]);
    world.podEnis.delete("default", "web-0");
    world.collector.requestSweep();
    await world.clock.advance(30_000);
    expect(world.released()).toEqual(["eni-1"]);
  });

  it("releases the second interface of a PodENI that has the first", async () => {
    const world = new World();
    world.addPodEni({ eniId: "eni-1" });
    world.addEni({}, { [tags.podEniUid]: "uid-web-0" });
    world.addEni({ eniId: "eni-2" }, { [tags.podEniUid]: "uid-web-0" });
    world.start();
    await world.clock.advance(minuteMs);
    expect(world.released()).toEqual(["eni-2"]);
  });

  it("reads the records after the listing: an owner that came in between counts", async () => {
    const world = new World();
    world.addEni();
    world.start();
    // The last listing before the collector would be sure began a moment ago.
    await world.clock.runUntil(() => (world.listedAtMs.at(-1) ?? 0) >= 10_000, minuteMs);
    world.addPodEni({ eniId: "eni-1" });
    await world.clock.advance(minuteMs);
    expect(world.records.list()).toEqual([]);
  });

  it("releases what the published program left after 10 minutes and a second look", async () => {
    const world = new World();
    world.addEni({ tags: ours });
    world.start();
    await world.clock.advance(10 * minuteMs);
    expect(world.records.list()).toEqual([]);
    await world.clock.advance(3 * minuteMs);
    expect(world.released()).toEqual(["eni-1"]);
  });

  it("deletes a record that no PodENI names, whether or not the cloud has its interface", async () => {
    const world = new World();
    world.addRecord();
    world.start();
    await world.clock.advance(minuteMs);
    expect(world.released()).toEqual(["eni-1"]);
    expect(world.collected).toEqual(["record"]);
  });

  it("releases an interface whose record exists but is not in the cache yet", async () => {
    const world = new World();
    world.addEni();
    world.addRecord();
    world.hidden.add("eni-1");
    world.start();
    await world.clock.advance(30_000);
    expect(world.released()).toEqual(["eni-1"]);
  });

  it.each([
    { name: "the listing", failing: ["list", "list", "list"] as const },
    { name: "the making of the record", failing: ["create"] as const },
    { name: "the deletion of the record", failing: ["delete"] as const },
  ])("tries again when $name fails, and says so", async ({ failing }) => {
    const world = new World();
    world.addEni();
    world.failing.push(...failing);
    world.start();
    await world.clock.advance(minuteMs);
    expect(world.released()).toEqual(["eni-1"]);
    expect(world.warnings).toContain("sweep for interfaces without owner failed; trying again");
  });

  it("lists three times after the start, and while all is well once in 10 to 11 minutes", async () => {
    const world = new World();
    world.addPodEni({ eniId: "eni-1" });
    world.addEni();
    world.start();
    await world.clock.advance(60 * minuteMs);
    expect(world.listedAtMs.slice(0, 3)).toEqual([0, 15_000, 30_000]);
    const pauses = world.listedAtMs.slice(3).map((atMs, index) => atMs - (world.listedAtMs[index + 2] ?? 0));
    expect(pauses.length).toBeGreaterThanOrEqual(5);
    for (const pauseMs of pauses) {
      expect(pauseMs).toBeGreaterThanOrEqual(10 * minuteMs);
      expect(pauseMs).toBeLessThanOrEqual(11 * minuteMs + 1_000);
    }
  });

  it("lists twice after doubtful creations, however many there were", async () => {
    const world = new World();
    world.start();
    await world.clock.advance(minuteMs);
    const before = world.listedAtMs.length;
    for (let n = 0; n < 100; n += 1) {
      world.collector.requestSweep();
      await world.clock.advance(15);
    }
    await world.clock.advance(minuteMs);
    expect(world.listedAtMs.slice(before)).toEqual([65_000, 80_000]);
  });

  it("stops looking for suspects once there are none", async () => {
    const world = new World();
    world.addEni();
    world.start();
    await world.clock.advance(2 * minuteMs);
    const before = world.listedAtMs.length;
    await world.clock.advance(5 * minuteMs);
    expect(world.listedAtMs).toHaveLength(before);
  });

  it("ends when it is told to, and looks no more", async () => {
    const world = new World();
    world.start();
    await world.clock.advance(minuteMs);
    await world.stop();
    const before = world.listedAtMs.length;
    world.collector.requestSweep();
    await world.clock.advance(20 * minuteMs);
    expect(world.listedAtMs).toHaveLength(before);
  });
});
