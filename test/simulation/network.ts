/** The ways between a replica, the API server and the cloud, with the trouble that ways have. */
import {
  CallFailed,
  decodeAnswer,
  flattenParameters,
  isApiName,
  productOf,
  type ApiName,
  type CloudCall,
} from "../../cloud/call.ts";
import { systemClock } from "../../runtime/clock.ts";
import { TransientError } from "../../runtime/errors.ts";
import type { Random } from "../../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../../runtime/transport.ts";
import type { SimulatedCloud } from "../../sandbox/alibaba-cloud/index.ts";
import { landscape } from "../../sandbox/landscape.ts";
import type { Machine } from "./machine.ts";
import { runOutside } from "./time.ts";

/** What the ways are like at the moment; the schedule changes it. */
export interface Weather {
  isApiServerDown: boolean;
  isCloudDown: boolean;
  /** Chance that a request to the API server is lost before it has an effect, and after it. */
  lostBefore: number;
  lostAfter: number;
  /** Milliseconds that a write takes longer. */
  slowWriteMs: number;
  /** Longest lag of a watch event, milliseconds. Events of one watch keep their order; watches know nothing of each other. */
  watchLagMs: number;
}

export function fairWeather(): Weather {
  return { isApiServerDown: false, isCloudDown: false, lostBefore: 0, lostAfter: 0, slowWriteMs: 0, watchLagMs: 20 };
}

/** What happened on a way, for the checker. */
export interface NetworkListener {
  /** A request that changes the cloud arrives there. */
  onCloudChange(machine: Machine, api: ApiName, parameters: Readonly<Record<string, string>>): void;
  /** A request that only reads arrives there. */
  onCloudRead(machine: Machine, api: ApiName): void;
  /** A request that changes the cluster leaves the machine; leases do not count. */
  onClusterSend(machine: Machine, request: TransportRequest): void;
  /** It arrives there. */
  onClusterChange(machine: Machine, request: TransportRequest): void;
}

const reads: ReadonlySet<ApiName> = new Set<ApiName>([
  "DescribeNetworkInterfaces",
  "DescribeNetworkInterfaceAttribute",
  "DescribeInstances",
  "DescribeInstanceTypes",
  "DescribeVSwitches",
]);

/** A request as a {@link Moment} names it. */
export function isCloudChange(request: string): boolean {
  return isApiName(request) && !reads.has(request);
}

export interface Ways {
  readonly transport: Transport;
  readonly call: CloudCall;
}

/** The ways of one machine. */
export function openWays(options: {
  readonly machine: Machine;
  readonly apiServer: Transport;
  readonly cloud: SimulatedCloud;
  readonly weather: Weather;
  /** Every open watch registers how it is cut. */
  readonly watches: Set<() => void>;
  readonly random: Random;
  readonly listener: NetworkListener;
}): Ways {
  const { machine, apiServer, cloud, weather, watches, random, listener } = options;
  const between = (least: number, most: number): number => least + random() * (most - least);
  const unreachable = (): Error => new TransientError("APIServerUnreachable", "the connection broke");

  const carryRequest = async (request: TransportRequest): Promise<TransportResponse> => {
    const isChange = request.method !== "GET" && !request.path.includes("/leases");
    if (isChange) listener.onClusterSend(machine, request);
    await systemClock.sleep(between(0.3, 3));
    if (weather.isApiServerDown || random() < weather.lostBefore) throw unreachable();
    if (request.method !== "GET" && weather.slowWriteMs > 0) await systemClock.sleep(weather.slowWriteMs);
    if (isChange) listener.onClusterChange(machine, request);
    const answer = await apiServer.request(withoutCheck(request), never);
    if (random() < weather.lostAfter) throw unreachable();
    await systemClock.sleep(between(0.3, 3));
    return answer;
  };

  const carryWatch = async (
    request: TransportRequest,
    onEvent: (event: unknown) => void,
    stop: AbortController,
  ): Promise<TransportResponse> => {
    await systemClock.sleep(between(0.3, 3));
    if (weather.isApiServerDown) throw unreachable();
    let lastMs = 0;
    let pending = 0;
    let drained: (() => void) | undefined;
    const lagging = (event: unknown): void => {
      const nowMs = systemClock.monotonic();
      lastMs = Math.max(lastMs, nowMs + between(0.3, weather.watchLagMs));
      pending += 1;
      void runOutside(() => systemClock.sleep(lastMs - nowMs)).then(() => {
        pending -= 1;
        if (!stop.signal.aborted) machine.deliver(() => onEvent(event));
        if (pending === 0) drained?.();
      });
    };
    const broken = new Promise<never>((_, reject) => {
      stop.signal.addEventListener("abort", () => reject(unreachable()), { once: true });
    });
    const cut = (): void => stop.abort();
    watches.add(cut);
    try {
      const answer = await Promise.race([apiServer.stream(withoutCheck(request), lagging, stop.signal), broken]);
      if (pending > 0) await new Promise<void>((resolve) => (drained = resolve));
      return answer;
    } finally {
      watches.delete(cut);
    }
  };

  const transport: Transport = {
    request: (request, signal) =>
      machine.send(`${request.method} ${request.path}`, request.beforeSend, signal, () => carryRequest(request)),
    stream: (request, onEvent, signal) => {
      const stop = new AbortController();
      signal.addEventListener("abort", () => stop.abort(), { once: true });
      return machine.send(`WATCH ${request.path}`, request.beforeSend, signal, () =>
        carryWatch(request, onEvent, stop),
      );
    },
  };

  const carryCall = async (api: ApiName, parameters: Readonly<Record<string, string>>): Promise<unknown> => {
    await systemClock.sleep(between(1, 5));
    if (weather.isCloudDown) {
      throw new CallFailed({ kind: "notSent", code: "NotSent", message: "connect ECONNREFUSED" });
    }
    if (reads.has(api)) listener.onCloudRead(machine, api);
    else listener.onCloudChange(machine, api, parameters);
    const { product } = productOf(api)!;
    try {
      return decodeAnswer(await cloud.call({ product, action: api }, parameters, landscape.account));
    } catch (error) {
      throw toCallFailed(error);
    }
  };
  const call: CloudCall = (api, parameters, signal, beforeSend) =>
    machine.send(api, beforeSend, signal, () => carryCall(api, flattenParameters(parameters)));

  return { transport, call };
}

const never = new AbortController().signal;

function withoutCheck({ method, path, headers, body }: TransportRequest): TransportRequest {
  return { method, path, ...(headers && { headers }), body };
}

/** What the SDK's adapter makes of a broken exchange. */
function toCallFailed(error: unknown): unknown {
  if (error instanceof CallFailed || !(error instanceof Error)) return error;
  if (error instanceof SyntaxError) {
    return new CallFailed({ kind: "malformed", code: "MalformedAnswer", message: "the answer is no JSON" });
  }
  if (error.name === "RequestTimeoutError") {
    return new CallFailed({ kind: "timeout", code: "Timeout", message: "no answer in time" });
  }
  return new CallFailed({ kind: "connectionLost", code: "ConnectionLost", message: "the connection broke" });
}
