import { describe, expect, it } from "@jest/globals";
import { ConflictError, InvariantError, TransientError, WaitingError } from "../runtime/errors.ts";
import { World } from "../test/fixtures/controlplane-world.ts";

const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } };

describe("an interface", () => {
  it.each([
    { name: "elastic: it goes with its machine", network: {}, deleteOnRelease: true },
    { name: "of a fixed address: it outlives its machine", network: fixed, deleteOnRelease: false },
  ])("is asked for with the tags of its owner, $name", async ({ network, deleteOnRelease }) => {
    const world = new World();
    const requests: object[] = [];
    const create = world.cloud.create.bind(world.cloud);
    world.cloud.create = (request) => {
      requests.push(request);
      return create(request);
    };
    const process = world.start();
    world.createPod("node-1", [{ ...network, resourceGroupID: "rg-1" }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    process.die();
    expect(requests).toMatchObject([
      {
        vSwitchId: "vsw-1",
        securityGroupIds: ["sg-1"],
        resourceGroupId: "rg-1",
        ipv6Count: 0,
        deleteOnRelease,
        tags: {
          "ack.aliyun.com": "c-test",
          creator: "terway-controller",
          "k8s.aliyun.com/pod-eni-uid": world.podEni()!.metadata.uid,
          "k8s.aliyun.com/interface": "eth0",
        },
      },
    ]);
  });
});

describe("a client token", () => {
  it("that the cloud calls spent is not sent again: the next try of the same interface has another one", async () => {
    const world = new World();
    const tokens: string[] = [];
    const create = world.cloud.create.bind(world.cloud);
    world.cloud.create = (request) => {
      tokens.push(request.clientToken);
      if (request.clientToken === tokens[0]) {
        throw new InvariantError("ClientTokenMismatch", "the token was used for another request", {
          cloud: { api: "CreateNetworkInterface", code: "IdempotentParameterMismatch", outcome: "refused" },
        });
      }
      return create(request);
    };
    const process = world.start();
    world.createPod("node-1", [{}]);
    expect(await world.clock.runUntil(() => world.isBound(), 60_000)).toBe(true);
    process.die();
    expect(tokens).toHaveLength(2);
    expect(new Set(tokens).size).toBe(2);
    expect(world.cloud.count.created).toBe(1);
  });
});

describe("the record of an interface", () => {
  it("keeps what the pod asked for when it is attached, though the cloud's answers do not say it", async () => {
    const world = new World();
    const process = world.start();
    world.createPod("node-1", [{ resourceGroupID: "rg-1" }]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    process.die();
    const [allocation] = world.podEni()!.spec!.allocations!;
    const [record] = world.networkInterfaces.list();
    expect(allocation!.eni).toMatchObject({ id: record!.metadata.name, resourceGroupID: "rg-1" });
    expect(record!.spec!.eni).toEqual(allocation!.eni);
    expect(record).toMatchObject({
      metadata: { finalizers: ["network.alibabacloud.com/eni"], labels: { "k8s.aliyun.com/node": "node-1" } },
      spec: { ipv4: allocation!.ipv4, podENIRef: { kind: "Pod", namespace: "default", name: "web-0" } },
      status: { phase: "Bind", instanceID: "i-node-1", eniInfo: { id: allocation!.eni!.id, status: "Bind" } },
    });
  });

  it.each([
    { name: "the record of the interface", failing: "record" },
    { name: "its id on the pod's record", failing: "podEni" },
  ])(
    "is complete although, of the two writes after its creation, the first try of $name failed",
    async ({ failing }) => {
      const world = new World();
      const { podEnis, networkInterfaces } = world;
      let failures = 0;
      const failOnce = (): void => {
        failures += 1;
        if (failures === 1) throw new TransientError("Unavailable", "the API server is busy");
      };
      const create = networkInterfaces.create.bind(networkInterfaces);
      networkInterfaces.create = (...given) => {
        if (failing === "record") failOnce();
        return create(...given);
      };
      const patch = podEnis.patch.bind(podEnis);
      podEnis.patch = (namespace, name, change) => {
        if (failing === "podEni" && "spec" in change) failOnce();
        return patch(namespace, name, change);
      };
      const process = world.start();
      world.createPod("node-1", [{}]);
      expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
      process.die();
      expect(failures).toBe(2);
      const [allocation] = world.podEni()!.spec!.allocations!;
      expect(world.cloud.enis().map(({ eniId }) => eniId)).toEqual([allocation!.eni!.id]);
      expect(world.cloud.count.created).toBe(1);
      expect(world.networkInterfaces.list()).toMatchObject([
        { metadata: { name: allocation!.eni!.id }, spec: { ipv4: allocation!.ipv4 }, status: { phase: "Bind" } },
      ]);
      expect(world.events.filter(({ reason }) => reason === "CreateENISucceed")).toHaveLength(1);
    },
  );

  it.each([
    { table: "networkInterfaces", phase: "Binding" },
    { table: "networkInterfaces", phase: "Bind" },
    { table: "networkInterfaces", phase: "Detaching" },
    { table: "networkInterfaces", phase: "Unbind" },
    { table: "podEnis", phase: "Bind" },
    { table: "podEnis", phase: "Detaching" },
    { table: "podEnis", phase: "Unbind" },
  ] as const)(
    "is not written over: $phase of $table is refused, and decided again, when another replica wrote the record in the meantime",
    async ({ table, phase }) => {
      const world = new World();
      const records = world[table];
      const refused: string[] = [];
      let isRivalDone = false;
      const patchStatus = records.patchStatus.bind(records);
      records.patchStatus = (namespace: string, name: string, patch: object): never => {
        const written = (patch as { readonly status: { readonly phase?: string } }).status.phase;
        if (written === phase && !isRivalDone) {
          isRivalDone = true;
          patchStatus(namespace, name, { status: { msg: "of the other" } });
        }
        try {
          return patchStatus(namespace, name, patch) as never;
        } catch (error) {
          if (error instanceof ConflictError) refused.push(written ?? "");
          throw error;
        }
      };
      const process = world.start();
      world.createPod("node-1", [fixed]);
      expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
      world.deletePod();
      expect(await world.clock.runUntil(() => world.phase() === "Unbind", 30_000)).toBe(true);
      process.die();
      expect(new Set(refused)).toEqual(new Set([phase]));
      expect(world.networkInterfaces.list()).toMatchObject([{ status: { phase: "Unbind" } }]);
    },
  );

  it.each([
    { lasts: "twenty seconds", refusedMs: 20_000, isTold: true },
    { lasts: "three seconds", refusedMs: 3_000, isTold: false },
  ])(
    "says what an attach waits for when it lasts $lasts: $isTold; the pod's record says it too",
    async ({ refusedMs, isTold }) => {
      const world = new World();
      const attach = world.cloud.attach.bind(world.cloud);
      const endMs = world.clock.now() + refusedMs;
      world.cloud.attach = (request) => {
        if (world.clock.now() < endMs) throw new WaitingError("TrunkNotReady", "the trunk is not in use", 500);
        attach(request);
      };
      const told = { podEni: false, record: false };
      const saysSo = ({ status }: { readonly status?: { readonly conditions?: readonly { reason: string }[] } }) =>
        status?.conditions?.some(({ reason }) => reason === "TrunkNotReady") === true;
      world.podEnis.subscribe(({ object }) => (told.podEni ||= saysSo(object)));
      world.networkInterfaces.subscribe(({ object }) => (told.record ||= saysSo(object)));
      const process = world.start();
      world.createPod("node-1", [{}]);
      expect(await world.clock.runUntil(() => world.isBound(), 60_000)).toBe(true);
      process.die();
      expect(told).toEqual({ podEni: isTold, record: isTold });
      expect([world.podEni(), ...world.networkInterfaces.list()].map((object) => saysSo(object!))).toEqual([
        false,
        false,
      ]);
    },
  );
});

describe("the end of a pod's records", () => {
  it("is asked for once each, although the watch tells of it later", async () => {
    const world = new World();
    const process = world.start();
    world.createPod("node-1", [{}]);
    expect(await world.clock.runUntil(() => world.isBound(), 30_000)).toBe(true);
    const bindCalls = process.gate.calls.length;
    world.deletePod();
    expect(await world.clock.runUntil(() => world.isEmpty(), 30_000)).toBe(true);
    await world.clock.advance(20_000);
    process.die();
    const writes = process.gate.calls.slice(bindCalls).filter((call) => /^(delete|patch) /.test(call));
    expect(writes.toSorted()).toEqual([
      "delete NetworkInterface",
      "delete PodENI",
      "patch NetworkInterface", // Its finalizer.
      "patch PodENI", // Its finalizers.
    ]);
  });
});
