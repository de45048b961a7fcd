import { describe, expect, it } from "@jest/globals";
import type { Plane } from "../../domain/pod-network/plane.ts";
import { planGate, type GatePlan, type GateState } from "./gate.ts";

function aPlane(
  name: string,
  given: { readonly spec?: Plane["spec"]; readonly status?: Plane["status"]; readonly created?: string } = {},
): Plane {
  return {
    metadata: { name, creationTimestamp: given.created ?? "2026-01-01T00:00:00Z" },
    spec: {
      selector: { podSelector: { matchLabels: { app: "web" } } },
      vSwitchOptions: [`vsw-of-${name}`],
      securityGroupIDs: ["sg-1"],
      ...given.spec,
    },
    status: given.status ?? { status: "Ready", vSwitches: [{ id: `vsw-of-${name}`, zone: `zone-of-${name}` }] },
  };
}

/** Pod ns/web-0 that waits for plane `one`, which is Ready by now. */
function plan(given: Partial<GateState> = {}): GatePlan {
  return planGate({
    key: "ns/web-0",
    planeName: "one",
    request: undefined,
    labels: { app: "web" },
    namespaceLabels: {},
    ownerReferences: undefined,
    isFixedName: true,
    planes: [aPlane("one")],
    record: undefined,
    eniConfig: undefined,
    ...given,
  });
}

function opened(result: GatePlan): Extract<GatePlan, { type: "open" }> {
  if (result.type !== "open") throw new Error(`not opened: ${JSON.stringify(result)}`);
  return result;
}

const unready = (message = "") => ({ status: "Fail", message });
const waiting = (message: string) => ({ type: "wait", reason: "WaitingForPodNetworking", message });
const fixed = { allocationType: { type: "Fixed", releaseStrategy: "Never" } } as const;
const keptIn = (zone: string) => ({ metadata: {}, spec: { zone, allocations: [{}] } });

describe("the plan of a pod's scheduling gate", () => {
  it("opens it with the networks and zones of the plane as it is now", () => {
    expect(opened(plan())).toMatchObject({
      planeName: "one",
      networks: [{ interface: "eth0", vSwitchOptions: ["vsw-of-one"], securityGroupIds: ["sg-1"] }],
      zones: { previous: "", vSwitches: ["zone-of-one"] },
    });
  });

  it.each([
    {
      name: "the plane that admission chose, though an older one is Ready too",
      planes: [aPlane("one"), aPlane("old", { created: "2020-01-01T00:00:00Z" })],
      want: "one",
    },
    {
      name: "the plane that admission chose, though it would not choose it now",
      planes: [aPlane("one", { spec: { selector: {} } })],
      want: "one",
    },
    {
      name: "another one that is Ready, the oldest first",
      planes: [aPlane("one", { status: unready() }), aPlane("b"), aPlane("a", { created: "2026-02-01T00:00:00Z" })],
      want: "b",
    },
    { name: "another one when the chosen one is gone", planes: [aPlane("two")], want: "two" },
  ])("takes $name", ({ planes, want }) => {
    expect(opened(plan({ planes })).planeName).toBe(want);
  });

  it.each([
    {
      name: "is not Ready, with its words",
      planes: [aPlane("one", { status: unready("vSwitch vsw-a was not found") })],
      want: "pod networking one matches this pod and is not ready: vSwitch vsw-a was not found",
    },
    {
      name: "has not been looked at",
      planes: [aPlane("one", { status: {} })],
      want: "pod networking one matches this pod and is not ready",
    },
    {
      name: "is gone, while another one matches and is not Ready",
      planes: [aPlane("two", { status: unready("denied") })],
      want: "pod networking two matches this pod and is not ready: denied",
    },
    {
      name: "is gone, while others are for other pods",
      planes: [aPlane("two", { spec: { selector: { podSelector: { matchLabels: { app: "db" } } } } })],
      want: "pod networking one does not exist any more, and no other one matches this pod",
    },
  ])("keeps it closed while the plane $name", ({ planes, want }) => {
    expect(plan({ planes })).toEqual(waiting(want));
  });

  it("keeps it closed when the plane became one for pods of fixed names", () => {
    expect(plan({ planes: [aPlane("one", { spec: fixed })], isFixedName: false })).toEqual(
      waiting("pod networking one cannot serve this pod: fixed ip only support for fixed name pod"),
    );
  });

  it.each([
    { name: "none is kept", record: undefined, previous: "" },
    { name: "one is kept in a zone of the plane", record: keptIn("zone-of-one"), previous: "zone-of-one" },
    {
      name: "one is being given up",
      record: { ...keptIn("zone-x"), metadata: { deletionTimestamp: "now" } },
      previous: "",
    },
  ])("binds a pod to the zone of its fixed address: $name", ({ record, previous }) => {
    expect(opened(plan({ planes: [aPlane("one", { spec: fixed })], record })).zones.previous).toBe(previous);
  });

  it("keeps it closed while the fixed address is where no vSwitch is, and says what helps", () => {
    expect(plan({ planes: [aPlane("one", { spec: fixed })], record: keptIn("zone-x") })).toEqual({
      type: "wait",
      reason: "FixedAddressInOtherZone",
      message:
        "the fixed address of this pod is in zone zone-x, its vSwitches are in zone-of-one: no node fits; delete PodENI ns/web-0 to give the address up, or give the PodNetworking a vSwitch in zone-x",
    });
  });

  it("binds a DaemonSet's pod to no zone", () => {
    const { zones } = opened(plan({ ownerReferences: [{ kind: "DaemonSet" }] }));
    expect(zones).toEqual({ previous: "", vSwitches: [] });
  });

  it("completes a plane that leaves something out from eni-config, once it has that", () => {
    const planes = [aPlane("one", { spec: { securityGroupIDs: [] } })];
    expect(plan({ planes })).toEqual({ type: "needsEniConfig" });
    const eniConfig = { vSwitchIds: ["vsw-9"], securityGroupIds: ["sg-9"], ipStack: "ipv4" } as const;
    expect(opened(plan({ planes, eniConfig })).networks).toMatchObject([
      { vSwitchOptions: ["vsw-of-one"], securityGroupIds: ["sg-9"] },
    ]);
  });

  it("gives a pod that asked for planes by name these planes", () => {
    const planes = ["one", "two"].map((name) =>
      aPlane(name, { spec: { selector: {} }, status: { status: "Ready", vSwitches: [{ id: "v", zone: "zone-a" }] } }),
    );
    const request = JSON.stringify([{ network: "two" }, { network: "one", interfaceName: "eth1" }]);
    expect(opened(plan({ planeName: "", request, planes }))).toMatchObject({
      planeName: undefined,
      networks: [
        { interface: "eth0", vSwitchOptions: ["vsw-of-two"] },
        { interface: "eth1", vSwitchOptions: ["vsw-of-one"] },
      ],
      zones: { previous: "", vSwitches: ["zone-a"] },
    });
    expect(plan({ planeName: "", request, planes: planes.slice(1) })).toEqual(
      waiting('podnetworkings.network.alibabacloud.com "one" not found'),
    );
  });
});
