/**
 * Places where the code is broken on purpose. Each must be noticed: first by the tests that are named, then by the
 * simulation, then by a crash at every await. One that is not noticed is a check that is missing.
 */
export interface Mutant {
  /** What the broken program does, as a sentence. */
  readonly name: string;
  /** Relative to the root. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Patterns of test files, as jest takes them; none: the simulation must find it. */
  readonly tests: readonly string[];
}

export const mutants: readonly Mutant[] = [
  // ---- finalizers ----
  {
    name: "makes a PodENI without its finalizer",
    file: "controllers/pod/reconciler.ts",
    find: "finalizers: [finalizers.podEni],",
    replace: "finalizers: [],",
    tests: [],
  },
  {
    name: "makes a NetworkInterface without its finalizer",
    file: "controllers/pod-eni/records.ts",
    find: "finalizers: [finalizers.networkInterface],",
    replace: "finalizers: [],",
    tests: [],
  },
  {
    name: "takes the finalizer off a PodENI while its interface is still there",
    file: "controllers/pod-eni/plan.ts",
    find: "  if (!isPending) {\n    // Not earlier",
    replace: "  if (isPending || !isPending) {\n    // Not earlier",
    tests: ["controllers/pod-eni/plan"],
  },
  {
    name: "takes the finalizer off a NetworkInterface on the first read that does not show it",
    file: "controllers/network-interface/plan.ts",
    find: "  if (!isCertain) return look(state);\n",
    replace: "",
    tests: ["controllers/network-interface"],
  },

  // ---- intent and client tokens ----
  {
    name: "sends another client token each time",
    file: "cloud/enis.ts",
    find: "ClientToken: request.clientToken,",
    replace: "ClientToken: `${request.clientToken}-${String(Math.random())}`.slice(-64),",
    tests: ["cloud/enis"],
  },
  {
    name: "makes an interface before it has recorded in which vSwitch",
    file: "controllers/pod-eni/plan-creation.ts",
    find: 'if (!allocation.vSwitchIsUnusable) return { actions: [{ type: "startCreate", allocation }], isBound: false };',
    replace:
      'if (allocation.vSwitchId !== "x") return { actions: [{ type: "startCreate", allocation }], isBound: false };',
    tests: ["controllers/pod-eni/plan"],
  },
  {
    name: "keeps the client token after the cloud said that it is used up",
    file: "controllers/pod-eni/executor.ts",
    find: "const attempts = { ...attemptsOf(podEni), [allocation.interface]: allocation.attempt + 1 };\n    const spec =",
    replace:
      "const attempts = { ...attemptsOf(podEni), [allocation.interface]: allocation.attempt };\n    const spec =",
    tests: ["controllers/interface-record"],
  },

  // ---- wake-ups ----
  {
    name: "a creation that ends wakes nobody",
    file: "cmd/controllers.ts",
    find: "  creations.onSettled(wakePodEni);\n",
    replace: "",
    tests: [],
  },
  {
    name: "a call that ends wakes nobody",
    file: "cmd/controllers.ts",
    find: "  effects.onSettled((eniId) => controllers.networkInterface.enqueue(eniId));\n",
    replace: "",
    tests: [],
  },
  {
    name: "a place that is given back is lost",
    file: "runtime/places.ts",
    find: "    end?.();\n",
    replace: "",
    tests: ["runtime/places"],
  },
  {
    name: "a key that is added while it is worked on is lost",
    file: "runtime/work-queue.ts",
    find: "    if (priority !== undefined) this.#makeReady(key, priority);\n    this.#reportDrained();",
    replace: "    this.#dirty.delete(key);\n    this.#reportDrained();",
    tests: ["runtime/work-queue"],
  },
  {
    name: "a deletion that the watch missed is never told",
    file: "runtime/object-cache.ts",
    find: "if (isRestored || !isNewer) this.#remove(key, cached, true);",
    replace: "if (isRestored && isNewer) this.#remove(key, cached, true);",
    tests: ["runtime/informer"],
  },
  {
    name: "the answer of an old write brings an object back that is gone",
    file: "runtime/object-cache.ts",
    find: 'if (isNew && this.#progress !== "" && compareVersions(version, this.#progress) <= 0) return;',
    replace: 'if (isNew && this.#progress === "?" && compareVersions(version, this.#progress) <= 0) return;',
    tests: ["runtime/informer"],
  },

  // ---- ages and late reads ----
  {
    name: "believes a read that began before the last call",
    file: "controllers/network-interface/plan.ts",
    find: "knowledge.observedAtMs < lastCall.startedAtMs;",
    replace: "knowledge.observedAtMs < lastCall.startedAtMs - 1e9;",
    tests: ["controllers/network-interface"],
  },
  {
    name: "allows reads no lag",
    file: "controllers/network-interface/plan.ts",
    find: "const lateReadMs = 4_000;",
    replace: "const lateReadMs = 0;",
    tests: ["controllers/network-interface"],
  },
  {
    name: "asks again for a detach that takes its time",
    file: "controllers/network-interface/plan.ts",
    find: "const stuckMs = 15_000;",
    replace: "const stuckMs = 100;",
    tests: ["controllers/network-interface"],
  },
  {
    name: "collects what one listing shows without an owner",
    file: "controllers/interface-gc/plan.ts",
    find: "export const certainAfterMs = 10_000;",
    replace: "export const certainAfterMs = 0;",
    tests: ["controllers/interface-gc"],
  },
  {
    name: "collects interfaces of others",
    file: "domain/eni/orphans.ts",
    find: "  if (!isOurs(eni, state.clusterId)) return false;\n",
    replace: "",
    tests: ["controllers/interface-gc"],
  },
  {
    name: "collects an interface whose creation is on its way",
    file: "domain/eni/orphans.ts",
    find: 'return state.unmadeInterfacesByUid.get(podEniUid)?.has(listed.interface ?? "eth0") !== true;',
    replace: "return true;",
    tests: ["controllers/interface-gc"],
  },
  {
    name: "goes by a clock that somebody sets",
    file: "runtime/slewed-clock.ts",
    find: "this.#nowMs += passedMs + slewMs;",
    replace: "this.#nowMs += passedMs + missingMs + 0 * slewMs;",
    tests: ["runtime/slewed-clock"],
  },

  // ---- fixed addresses ----
  {
    name: "releases what is kept for ever",
    file: "domain/retention/retention.ts",
    find: 'if (releaseStrategy !== "TTL") return { type: "keepForever", reason: "releaseStrategy is Never" };',
    replace: 'if (releaseStrategy !== "TTL") continue;',
    tests: ["controllers/pod-eni/plan-release"],
  },
  {
    name: "releases a fixed address too early",
    file: "domain/retention/retention.ts",
    find: "podGoneAtMs + afterMs);",
    replace: "podGoneAtMs + afterMs - 6_000);",
    tests: ["controllers/pod-eni/plan-release"],
  },
  {
    name: "releases a fixed address with its pod",
    file: "controllers/pod/plan.ts",
    find: '  if (!record.isFixed) return { action: { type: "release" } };\n  return record.phase === "Detaching"',
    replace: '  if (!record.isDeleting) return { action: { type: "release" } };\n  return record.phase === "Detaching"',
    tests: ["controllers/pod/plan"],
  },
  {
    name: "lets the machine take a fixed interface with it",
    file: "controllers/pod-eni/create-request.ts",
    find: "deleteOnRelease: !isFixed,",
    replace: "deleteOnRelease: isFixed || !isFixed,",
    tests: ["controllers/interface-record"],
  },
  {
    name: "takes another pod of the same name for the same one",
    file: "controllers/pod/plan.ts",
    find: "return record.podUid === pod.uid ? {} : letGo(record);",
    replace: "return record.podUid === pod.uid ? {} : {};",
    tests: ["controllers/pod/plan"],
  },

  // ---- writes ----
  {
    name: "writes over what another replica wrote",
    file: "controllers/pod/reconciler.ts",
    find: "await this.#deps.podEnis.client.patchStatus(namespace, name, { metadata: { resourceVersion }, status }, signal);",
    replace:
      "await this.#deps.podEnis.client.patchStatus(namespace, name, { metadata: {}, status, ...{ [`x${resourceVersion ?? ''}`]: null } }, signal);",
    tests: ["controllers/interface-record", "controllers/pod/"],
  },
  {
    name: "writes over what another replica wrote about an interface",
    file: "controllers/pod-eni/executor.ts",
    find: "return { metadata: { resourceVersion: record?.metadata.resourceVersion } };",
    replace: "return { metadata: record === undefined ? {} : {} };",
    tests: ["controllers/interface-record"],
  },
  {
    name: "deletes a record of the same name that is another one",
    file: "kube/object-client.ts",
    find: "const preconditions = options.uid === undefined ? {} : { preconditions: { uid: options.uid } };",
    replace: "const preconditions = {};",
    tests: ["kube/object-client"],
  },

  // ---- leadership and quotas ----
  {
    name: "writes to the cluster without the lease",
    file: "kube/object-client.ts",
    find: "    fence.assertHeld();\n    return { ...request, beforeSend: () => fence.assertHeld() };",
    replace: "    return request;",
    tests: ["kube/object-client"],
  },
  {
    name: "changes the cloud without the lease",
    file: "cloud/invoke.ts",
    find: "      const beforeSend = manner.mutates ? () => deps.fence.assertHeld() : undefined;",
    replace: "      const beforeSend = undefined;",
    tests: ["cloud/client"],
  },
  {
    name: "lets a frozen leader finish its write",
    file: "runtime/leader-election.ts",
    find: "    this.#feedWatchdog();\n",
    replace: "",
    tests: ["runtime/leader-election"],
  },
  {
    name: "keeps the lease after its time",
    file: "runtime/leader-election.ts",
    find: "if (this.#options.clock.monotonic() - this.#renewedAt < this.#renewDeadlineMs) return true;",
    replace: "if (this.#renewedAt >= 0) return true;",
    tests: ["runtime/leader-election"],
  },
  {
    name: "forgets what the former leader used of the quota",
    file: "cloud/minute-budget.ts",
    find: "this.#used.set(minute, Math.min(this.#options.callsPerMinute, this.used(minute) + calls));",
    replace: "this.#used.set(minute, Math.min(this.#options.callsPerMinute, this.used(minute) + 0 * calls));",
    tests: ["cloud/limiter"],
  },
  {
    name: "counts a call at the turn of the minute once",
    file: "cloud/minute-budget.ts",
    find: "if (offset < this.#options.guardMs) return [minute - 1, minute];",
    replace: "if (offset < this.#options.guardMs) return [minute];",
    tests: ["cloud/limiter"],
  },
  {
    name: "lets a hundred and one allocate at once",
    file: "cmd/controllers.ts",
    find: "const allocationPlaces = 100;",
    replace: "const allocationPlaces = 101;",
    tests: ["test/simulation/burst"],
  },

  // ---- admission, capacity, outages ----
  {
    name: "lets a pod whose plane is not Ready run on the shared network",
    file: "webhook/pod/decide.ts",
    find: "  if (unready !== undefined) return waitFor(unready, pod);\n",
    replace: "",
    tests: ["webhook/pod"],
  },
  {
    name: "counts a place as free while an interface is leaving it",
    file: "controllers/node-capacity/publication.ts",
    find: "const members = isTrunkReady ? memberLimit - foreignMembers - leaving : 0;",
    replace: "const members = isTrunkReady ? memberLimit - foreignMembers + 0 * leaving : 0;",
    tests: ["controllers/node-capacity"],
  },
  {
    name: "takes a throttled cloud for one that is out of order",
    file: "cloud/breaker.ts",
    find: 'return outcome === "unknown" || code === "NotSent" ? code : undefined;',
    replace: "return code;",
    tests: ["cloud/outage", "cloud/call-gate"],
  },
  {
    name: "never tries again what a missing right stopped",
    file: "runtime/shared-causes.ts",
    find: "const waitMs = cause.tried.has(kind) ? Math.max(0, cause.nextProbeAtMs - this.#clock.now()) : 0;",
    replace: "const waitMs = cause.tried.has(kind) ? Math.max(1, cause.nextProbeAtMs - this.#clock.now()) : 0;",
    tests: ["runtime/shared-causes"],
  },
];
