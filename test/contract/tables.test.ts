import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { KubeJson } from "../../sandbox/kube-apiserver/kube-json.ts";
import { describeApi } from "./api.ts";
import { tableAccept, uniqueName, type Client } from "./client.ts";
import {
  aConfigMap,
  aLease,
  aPod,
  aWorkload,
  crdsPath,
  makeThings,
  sharedThings,
  installOwnCrd,
  type Things,
} from "./objects.ts";

interface Table {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: KubeJson["metadata"];
  readonly columnDefinitions: readonly {
    readonly name: string;
    readonly type: string;
    readonly format: string;
    readonly description: string;
    readonly priority: number;
  }[];
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: KubeJson | null }[];
}

/** A cell with the age of what was made a moment ago. */
const young = expect.stringMatching(/^\d+s$/) as unknown;

describeApi("tables", (api) => {
  let client: Client;
  let things: Things;
  let namespace: { readonly name: string; readonly path: string };
  beforeAll(async () => {
    client = api.client;
    things = await sharedThings(client);
  });
  beforeEach(async () => {
    namespace = await client.namespace();
  });
  const table = async (path: string): Promise<Table> => (await client.get(path, tableAccept)).body as unknown as Table;
  /** Column names, those of `-o wide` in brackets. */
  const columns = ({ columnDefinitions }: Table) =>
    columnDefinitions.map(({ name, priority }) => (priority === 0 ? name : `[${name}]`)).join(" | ");
  /** Of the only row. */
  const cells = ({ rows }: Table) => {
    expect(rows).toHaveLength(1);
    return rows[0]?.cells;
  };

  describe("of lists", () => {
    it("carry the version of the list and bare metadata of the objects", async () => {
      const created = await client.create(
        `${namespace.path}/configmaps`,
        aConfigMap("a", { data: { x: "1" }, metadata: { labels: { mine: "1" } } }),
      );
      const found = await table(`${namespace.path}/configmaps?labelSelector=mine`);
      expect(found).toMatchObject({
        kind: "Table",
        apiVersion: "meta.k8s.io/v1",
        metadata: { resourceVersion: expect.any(String) },
      });
      expect(found.rows[0]?.object).toEqual({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: created.metadata,
      });
    });

    it.each([
      { include: "None", want: null },
      { include: "Object", want: { kind: "Pod", apiVersion: "v1", spec: { containers: [{ name: "c" }] } } },
    ])("carry as much of each object as asked for: $include", async ({ include, want }) => {
      await client.create(`${namespace.path}/pods`, aPod("a"));
      const found = await table(`${namespace.path}/pods?includeObject=${include}`);
      const object = found.rows[0]?.object ?? null;
      if (want === null) expect(object).toBeNull();
      else expect(object).toMatchObject(want);
    });

    it("come in pages", async () => {
      for (const name of ["a", "b"]) await client.create(`${namespace.path}/pods`, aPod(name));
      const first = await table(`${namespace.path}/pods?limit=1`);
      expect(first.metadata).toMatchObject({ remainingItemCount: 1 });
      const token = encodeURIComponent(String(first.metadata?.["continue"]));
      const second = await table(`${namespace.path}/pods?limit=1&continue=${token}`);
      expect(second.rows.map((row) => row.cells[0])).toEqual(["b"]);
    });

    it("have no rows when there is nothing", async () => {
      expect((await table(`${namespace.path}/pods`)).rows).toEqual([]);
    });

    it("say what their columns hold", async () => {
      const found = await table(`${namespace.path}/pods`);
      expect(found.columnDefinitions[0]).toMatchObject({ name: "Name", type: "string", format: "name", priority: 0 });
      expect(found.columnDefinitions.every(({ description }) => typeof description === "string")).toBe(true);
    });
  });

  it("of one object have one row and its version", async () => {
    const created = await client.create(`${namespace.path}/configmaps`, aConfigMap("a"));
    const found = await table(`${namespace.path}/configmaps/a`);
    expect(cells(found)).toEqual(["a", 0, young]);
    expect(found.metadata).toEqual({ resourceVersion: created.metadata?.resourceVersion });
  });

  describe("of pods", () => {
    it.each([
      { name: "a new one", spec: {}, status: undefined, want: ["0/1", "Pending", "0", young, "<none>", "<none>"] },
      {
        name: "one that runs",
        spec: { nodeName: "n" },
        status: {
          phase: "Running",
          podIP: "10.0.0.1",
          podIPs: [{ ip: "10.0.0.1" }],
          containerStatuses: [
            aContainerStatus({ running: { startedAt: "2026-01-01T00:00:00Z" } }, { ready: true, restartCount: 2 }),
          ],
        },
        want: ["1/1", "Running", "2", young, "10.0.0.1", "n"],
      },
      {
        name: "one whose image is not there",
        spec: { nodeName: "n" },
        status: {
          phase: "Pending",
          containerStatuses: [aContainerStatus({ waiting: { reason: "ImagePullBackOff" } })],
        },
        want: ["0/1", "ImagePullBackOff", "0", young, "<none>", "n"],
      },
      {
        name: "one that is being made",
        spec: { nodeName: "n" },
        status: {
          phase: "Pending",
          containerStatuses: [aContainerStatus({ waiting: { reason: "ContainerCreating" } })],
        },
        want: ["0/1", "ContainerCreating", "0", young, "<none>", "n"],
      },
      {
        name: "one that is done",
        spec: { nodeName: "n" },
        status: {
          phase: "Succeeded",
          containerStatuses: [aContainerStatus({ terminated: { exitCode: 0, reason: "Completed" } })],
        },
        want: ["0/1", "Completed", "0", young, "<none>", "n"],
      },
      {
        name: "one that failed with a code",
        spec: { nodeName: "n" },
        status: { phase: "Failed", containerStatuses: [aContainerStatus({ terminated: { exitCode: 3 } })] },
        want: ["0/1", "ExitCode:3", "0", young, "<none>", "n"],
      },
      {
        name: "one that was evicted",
        spec: { nodeName: "n" },
        status: { phase: "Failed", reason: "Evicted" },
        want: ["0/1", "Evicted", "0", young, "<none>", "n"],
      },
      {
        name: "one whose scheduling is gated",
        spec: { schedulingGates: [{ name: "example.com/g" }] },
        status: undefined,
        want: ["0/1", "SchedulingGated", "0", young, "<none>", "<none>"],
      },
    ])("show $name", async ({ spec, status, want }) => {
      await client.create(`${namespace.path}/pods`, aPod("a", { spec }));
      if (status !== undefined) {
        const { status: code } = await client.merge(`${namespace.path}/pods/a/status`, { status });
        expect(code).toBe(200);
      }
      const found = await table(`${namespace.path}/pods`);
      expect(columns(found)).toBe(
        "Name | Ready | Status | Restarts | Age | [IP] | [Node] | [Nominated Node] | [Readiness Gates]",
      );
      expect(cells(found)).toEqual(["a", ...want, "<none>", "<none>"]);
    });

    it("show one that ends", async () => {
      await client.create(`${namespace.path}/pods`, aPod("a", { spec: { nodeName: "n" } }));
      await client.delete(`${namespace.path}/pods/a`);
      expect(cells(await table(`${namespace.path}/pods/a`))?.slice(0, 3)).toEqual(["a", "0/1", "Terminating"]);
    });

    it("show readiness gates", async () => {
      const readinessGates = [{ conditionType: "example.com/a" }, { conditionType: "example.com/b" }];
      await client.create(`${namespace.path}/pods`, aPod("a", { spec: { readinessGates } }));
      await client.patch("strategic", `${namespace.path}/pods/a/status`, {
        status: { conditions: [{ type: "example.com/a", status: "True" }] },
      });
      expect(cells(await table(`${namespace.path}/pods`))?.at(-1)).toBe("1/2");
    });
  });

  describe("of nodes", () => {
    it.each([
      { name: "one that nobody has heard of", change: {}, status: {}, want: ["Unknown", "<none>", young, ""] },
      {
        name: "one that is ready, with its role",
        change: { metadata: { labels: { "node-role.kubernetes.io/worker": "" } } },
        status: { conditions: [{ type: "Ready", status: "True" }], nodeInfo: { kubeletVersion: "v1.35.4" } },
        want: ["Ready", "worker", young, "v1.35.4"],
      },
      {
        name: "one that is not ready and closed",
        change: { spec: { unschedulable: true } },
        status: { conditions: [{ type: "Ready", status: "False" }] },
        want: ["NotReady,SchedulingDisabled", "<none>", young, ""],
      },
    ])("show $name", async ({ change, status, want }) => {
      const name = uniqueName("node");
      const node: KubeJson = { apiVersion: "v1", kind: "Node", ...change };
      await client.create("/api/v1/nodes", { ...node, metadata: { ...node.metadata, name }, status });
      const found = await table(`/api/v1/nodes/${name}`);
      expect(columns(found)).toBe(
        "Name | Status | Roles | Age | Version | [Internal-IP] | [External-IP] | [OS-Image] | [Kernel-Version] | [Container-Runtime]",
      );
      expect(cells(found)).toEqual([name, ...want, "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"]);
    });
  });

  describe("of events", () => {
    it("show when, what, about whom and by whom", async () => {
      const now = `${new Date().toISOString().slice(0, 19)}.000000Z`;
      await client.create(`/apis/events.k8s.io/v1/namespaces/${namespace.name}/events`, {
        apiVersion: "events.k8s.io/v1",
        kind: "Event",
        metadata: { name: "e" },
        eventTime: now,
        reportingController: "example.com/me",
        reportingInstance: "me-0",
        action: "Attach",
        reason: "Attached",
        regarding: { apiVersion: "v1", kind: "Pod", name: "p", namespace: namespace.name },
        note: "hello\n",
        type: "Normal",
      });
      const found = await table(`${namespace.path}/events`);
      expect(columns(found)).toBe(
        "Last Seen | Type | Reason | Object | [Subobject] | [Source] | Message | [First Seen] | [Count] | [Name]",
      );
      expect(cells(found)).toEqual([
        young,
        "Normal",
        "Attached",
        "pod/p",
        "",
        "example.com/me, me-0",
        "hello",
        young,
        1,
        "e",
      ]);
      expect(cells(await table(`/apis/events.k8s.io/v1/namespaces/${namespace.name}/events`))).toEqual(cells(found));
    });
  });

  describe("of other built-in kinds", () => {
    it.each([
      {
        kind: "Deployment" as const,
        want: "Name | Ready | Up-to-date | Available | Age | [Containers] | [Images] | [Selector]",
        row: ["a", "0/1", 0, 0, young, "c", "i:1", "app=a"],
      },
      {
        kind: "StatefulSet" as const,
        want: "Name | Ready | Age | [Containers] | [Images]",
        row: ["a", "0/1", young, "c", "i:1"],
      },
      {
        kind: "ReplicaSet" as const,
        want: "Name | Desired | Current | Ready | Age | [Containers] | [Images] | [Selector]",
        row: ["a", 1, 0, 0, young, "c", "i:1", "app=a"],
      },
      {
        kind: "DaemonSet" as const,
        want: "Name | Desired | Current | Ready | Up-to-date | Available | Node Selector | Age | [Containers] | [Images] | [Selector]",
        row: ["a", 0, 0, 0, 0, 0, "<none>", young, "c", "i:1", "app=a"],
      },
    ])("show a $kind", async ({ kind, want, row }) => {
      const path = `/apis/apps/v1/namespaces/${namespace.name}/${kind.toLowerCase()}s`;
      await client.create(path, aWorkload(kind, "a"));
      const found = await table(path);
      expect(columns(found)).toBe(want);
      expect(cells(found)).toEqual(row);
    });

    it("show a lease and its holder", async () => {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${namespace.name}/leases`;
      await client.create(path, aLease("a", { holderIdentity: "me" }));
      const found = await table(path);
      expect(columns(found)).toBe("Name | Holder | Age");
      expect(cells(found)).toEqual(["a", "me", young]);
    });

    it("show a namespace", async () => {
      const found = await table(namespace.path);
      expect(columns(found)).toBe("Name | Status | Age");
      expect(cells(found)).toEqual([namespace.name, "Active", young]);
    });

    it("show a secret and how much it holds", async () => {
      await client.create(`${namespace.path}/secrets`, { metadata: { name: "s" }, stringData: { a: "1", b: "2" } });
      const found = await table(`${namespace.path}/secrets`);
      expect(columns(found)).toBe("Name | Type | Data | Age");
      expect(cells(found)).toEqual(["s", "Opaque", 2, young]);
    });

    it("show a custom resource definition", async () => {
      const found = await table(`${crdsPath}/${things.crdName}`);
      expect(columns(found)).toBe("Name | Created At");
      expect(cells(found)).toEqual([things.crdName, expect.stringMatching(/^\d{4}-\d\d-\d\dT/)]);
    });
  });

  describe("of custom resources", () => {
    it("have the declared columns", async () => {
      const path = things.pathIn(namespace.name);
      await client.create(path, things.make("a", { spec: { size: 7, ports: [{ name: "p" }, { name: "q" }] } }));
      const empty = await table(path);
      expect(columns(empty)).toBe("Name | Size | [Color] | Ready | Ports | Since");
      expect(empty.columnDefinitions.map(({ type }) => type)).toEqual([
        "string",
        "integer",
        "string",
        "string",
        "string",
        "date",
      ]);
      expect(cells(empty)).toEqual(["a", 7, "Red", null, "p", null]);
      const since = new Date(Date.now() - 3 * 3_600_000).toISOString();
      await client.merge(`${path}/a/status`, {
        status: {
          since,
          conditions: [
            { type: "Other", status: "False" },
            { type: "Ready", status: "True" },
          ],
        },
      });
      expect(cells(await table(path))).toEqual(["a", 7, "Red", "True", "p", "3h"]);
    });

    it("have name and age when none are declared", async () => {
      const plain = await makeThings(client, (crd) => {
        const [version] = (crd["spec"] as { versions: { additionalPrinterColumns?: object }[] }).versions;
        delete version?.additionalPrinterColumns;
      });
      await client.createByApply(plain.pathIn(namespace.name), plain.make("a"));
      const found = await table(plain.pathIn(namespace.name));
      expect(columns(found)).toBe("Name | Age");
      expect(cells(found)).toEqual(["a", young]);
    });

    it.each([
      {
        plural: "podnetworkings",
        want: "Name | Status | Type | Allocation | Release | Reason | [VSwitches] | [SecurityGroups] | [Message] | Age",
      },
      { plural: "podenis", want: "Name | Phase | Node | IPv4 | ENI | Reason" },
      { plural: "networkinterfaces", want: "Name | Phase | InstanceID" },
      { plural: "nodes", want: "Name | InstanceType | InstanceID | Zone | Adapters | Members" },
      { plural: "noderuntimes", want: "Name | Reason | Age" },
    ])("of this project begin with their columns: $plural", async ({ plural, want }) => {
      expect(columns(await table(await installOwnCrd(client, plural))).slice(0, want.length)).toBe(want);
    });

    it("of this project show a PodNetworking, its lists as JSON", async () => {
      const name = uniqueName("pn");
      const path = await installOwnCrd(client, "podnetworkings");
      const spec = { allocationType: { type: "Fixed", releaseStrategy: "TTL" }, vSwitchOptions: ["v-1", "v-2"] };
      await client.createByApply(path, {
        apiVersion: "network.alibabacloud.com/v1beta1",
        kind: "PodNetworking",
        metadata: { name },
        spec,
      });
      await client.merge(`${path}/${name}/status`, { status: { status: "Ready" } });
      expect(cells(await table(`${path}/${name}`))).toEqual([
        ...[name, "Ready", "Default", "Fixed", "TTL", null],
        ...['["v-1","v-2"]', null, null, young],
      ]);
    });
  });
});

function aContainerStatus(state: object, more: object = {}): object {
  return { name: "c", image: "i:1", imageID: "", ready: false, restartCount: 0, state, ...more };
}
