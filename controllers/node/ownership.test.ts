import { describe, expect, it } from "@jest/globals";
import type { NodeSpec } from "../../crds/v1beta1/node.gen.ts";
import { ConflictError } from "../../runtime/errors.ts";
import fc from "../../test/fixtures/property.ts";
import type { SectionName } from "./sections.ts";
import { aCoreNode, NodeWorld, usableConf } from "../../test/fixtures/node-world.ts";

/** A value that this controller never makes. */
function foreign(name: SectionName, number: number): NodeSpec[SectionName] {
  switch (name) {
    case "eni":
      return { vSwitchOptions: [`theirs-${number}`], securityGroupIDs: [], vSwitchSelectPolicy: "ordered" };
    case "flavor":
      return [{ networkInterfaceType: "Member", networkInterfaceTrafficMode: "Standard", count: number }];
    case "pool":
      return { maxPoolSize: 1_000 + number };
    case "datapath":
      return { type: number % 2 === 0 ? "ipvlan" : "datapathv2" };
  }
}

const section = fc.constantFrom<SectionName>("eni", "flavor", "pool", "datapath");

type Step =
  | { readonly type: "reconcile" }
  /** Of an object that the daemon has changed since: the cache lags. */
  | { readonly type: "reconcileStale"; readonly name: SectionName; readonly number: number }
  | { readonly type: "write"; readonly name: SectionName; readonly number: number }
  | { readonly type: "clear"; readonly name: SectionName }
  | { readonly type: "configure"; readonly conf: object | undefined }
  | { readonly type: "move"; readonly instanceType: string };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ type: "reconcile" }) },
  fc.record({ type: fc.constant("reconcileStale" as const), name: section, number: fc.nat(20) }),
  fc.record({ type: fc.constant("write" as const), name: section, number: fc.nat(20) }),
  fc.record({ type: fc.constant("clear" as const), name: section }),
  fc.record({
    type: fc.constant("configure" as const),
    conf: fc.constantFrom<object | undefined>(
      usableConf,
      undefined,
      {},
      { ...usableConf, max_pool_size: 5, eni_tags: { a: "1" } },
      { ...usableConf, enable_eni_trunking: false, enable_ip_prefix: true },
    ),
  }),
  fc.record({ type: fc.constant("move" as const), instanceType: fc.constantFrom("ecs.g7.xlarge", "ecs.g7.4xlarge") }),
);

/** Plays a history; `theirs` is what the daemon wrote last and did not take away. */
async function play(
  world: NodeWorld,
  steps: readonly Step[],
  check: (theirs: ReadonlyMap<SectionName, unknown>) => void,
) {
  const theirs = new Map<SectionName, unknown>();
  const write = (name: SectionName, number: number): void => {
    const value = foreign(name, number);
    world.daemonWrites({ [name]: value });
    theirs.set(name, value);
  };
  for (const each of steps) {
    switch (each.type) {
      case "reconcile":
        await world.reconcile();
        break;
      case "reconcileStale": {
        const stale = world.record!;
        write(each.name, each.number);
        world.stale = stale;
        await world.reconcile().catch((error: unknown) => expect(error).toBeInstanceOf(ConflictError));
        world.stale = undefined;
        break;
      }
      case "write":
        write(each.name, each.number);
        break;
      case "clear":
        world.daemonWrites({ [each.name]: undefined });
        theirs.delete(each.name);
        break;
      case "configure":
        world.conf = each.conf;
        break;
      case "move":
        world.node = aCoreNode({ labels: { "node.kubernetes.io/instance-type": each.instanceType } });
        break;
    }
    check(theirs);
  }
}

describe("whatever happens in whatever order", () => {
  const histories = fc.array(step, { maxLength: 25 });

  it("what a daemon has written is never changed", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const world = new NodeWorld({ isCentralized: true });
        await world.reconcile();
        await play(world, steps, (theirs) => {
          for (const [name, value] of theirs) expect([name, world.record?.spec?.[name]]).toEqual([name, value]);
        });
      }),
    );
  });

  it("one reconcile brings the record where the next one changes nothing", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const world = new NodeWorld({ isCentralized: true });
        await world.reconcile();
        await play(world, steps, () => undefined);
        await world.reconcile();
        const count = world.writes.length;
        await world.reconcile();
        expect(world.writes).toHaveLength(count);
      }),
    );
  });

  it("with a usable configuration no part is left empty", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        const world = new NodeWorld({ isCentralized: true });
        await world.reconcile();
        await play(world, steps, () => undefined);
        world.conf = usableConf;
        await world.reconcile();
        const { eni, flavor, pool, datapath } = world.record!.spec!;
        expect([eni, flavor, pool, datapath]).not.toContain(undefined);
      }),
    );
  });
});
