import { pathOf, resourceTypes } from "../kube/resources.ts";
import { withTimeout } from "../runtime/clock.ts";
import { TransientError } from "../runtime/errors.ts";
import { parsePage } from "../runtime/list-watch.ts";
import type { Clock } from "../runtime/ports.ts";
import type { Transport } from "../runtime/transport.ts";
import type { PodNetworking } from "../crds/v1beta1/pod-networking.gen.ts";

/** Admission waits no longer; the API server itself waits for it. */
const limitMs = 2_000;

/**
 * All PodNetworkings as the API server has them: a read that began after it was asked for. Those who ask while one is under way
 * share the next one, so that a burst of pods costs a few reads. Undefined when there was no answer in time.
 */
export function createLivePlanes(deps: {
  readonly transport: Transport;
  readonly clock: Clock;
}): (signal: AbortSignal) => Promise<readonly PodNetworking[] | undefined> {
  const { transport, clock } = deps;
  let running: Promise<unknown> | undefined;
  let next: Promise<readonly PodNetworking[] | undefined> | undefined;
  const read = async (): Promise<readonly PodNetworking[] | undefined> => {
    const list = async (signal: AbortSignal): Promise<readonly PodNetworking[] | undefined> => {
      const answer = await transport.request({ method: "GET", path: pathOf(resourceTypes.podNetworkings) }, signal);
      return answer.status === 200 ? parsePage<PodNetworking>(answer.body)?.items : undefined;
    };
    try {
      return await withTimeout(clock, limitMs, new AbortController().signal, list, () => {
        return new TransientError("Timeout", `PodNetworkings were not read within ${limitMs} ms`);
      });
    } catch {
      return undefined;
    }
  };
  const begin = async (): Promise<readonly PodNetworking[] | undefined> => {
    await running;
    const reading = read();
    running = reading;
    next = undefined;
    return await reading;
  };
  return () => (next ??= begin());
}
