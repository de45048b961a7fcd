/** One call to the cloud with all that belongs to it: quota, fence, measurement, error class, repetition where it is safe. */
import type { CallPriority } from "../domain/eni/eni.ts";
import { OperatorError, TransientError } from "../runtime/errors.ts";
import type { Clock, Logger, Random } from "../runtime/ports.ts";
import { CallFailed, type ApiName, type CallParameters, type CloudCall } from "./call.ts";
import type { CallGate } from "./call-gate.ts";
import { toOperatorError } from "./operator-error.ts";
import { abortError, type Limiter } from "./limiter.ts";
import type { CloudMetrics } from "./metrics.ts";

/** What every call of the cloud layer takes. */
export interface CallOptions {
  readonly priority: CallPriority;
  /** Ends the wait for the quota and for the answer. The effect of a call that was sent may still happen. */
  readonly signal: AbortSignal;
  /** Told of every try that was sent: milliseconds that it waited for the quota, and until its answer. */
  readonly onTiming?: (timing: {
    readonly api: string;
    readonly limiterWaitMs: number;
    readonly callMs: number;
  }) => void;
  /** Told of every try that was sent and got no answer: it may have had its effect. Such a try may be repeated. */
  readonly onUnanswered?: () => void;
}

/** How an API may be called. */
export interface CallManner {
  /** Changes the cloud: only the holder of the lease sends it. */
  readonly mutates: boolean;
  /** Harmless to repeat after a lost answer: a read, or a call with a client token. */
  readonly repeats: boolean;
}

export type Invoke = (
  api: ApiName,
  manner: CallManner,
  parameters: ParametersAtStart,
  options: CallOptions,
) => Promise<unknown>;

/** The parameters, or a function that makes them when the call starts (wall clock, milliseconds); undefined: do not send. */
export type ParametersAtStart = CallParameters | ((startedAtMs: number) => CallParameters | undefined);

export interface InvokeDeps {
  readonly call: CloudCall;
  readonly gate: CallGate;
  readonly limiter: Limiter;
  readonly metrics: CloudMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Throws when the lease is not held. */
  readonly fence: { assertHeld(): void };
}

const tries = 3;
const firstBackoffMs = 200;
const longestBackoffMs = 2_000;

/**
 * Makes the function that all methods go through. It @throws the classes of runtime/errors.ts with `cloud` set,
 * SuspendedError while calls are held back, FencedError before a change without the lease, AbortError when the signal aborts.
 */
export function createInvoke(deps: InvokeDeps): Invoke {
  return async (api, manner, parameters, options) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await invokeOnce(deps, api, manner, parameters, options);
      } catch (error) {
        if (error instanceof OperatorError && error.cloud?.outcome === "unknown") options.onUnanswered?.();
        if (!manner.repeats || attempt >= tries || !(error instanceof TransientError)) throw error;
        // Equal jitter: half of the step is certain, so that a failing cloud is not hit at once.
        const stepMs = Math.min(longestBackoffMs, firstBackoffMs * 4 ** (attempt - 1) * 2);
        await deps.clock.sleep(stepMs / 2 + (stepMs / 2) * deps.random(), options.signal);
      }
    }
  };
}

/** Makes the function that asks a product that does not answer whether it does now: once, with a read. */
export function createProbe(
  deps: InvokeDeps,
): (api: ApiName, parameters: CallParameters, options: CallOptions) => Promise<unknown> {
  return (api, parameters, options) =>
    send(deps, api, { mutates: false, repeats: false }, parameters, options, () =>
      deps.gate.assertMayProbe(api, options.priority),
    );
}

async function invokeOnce(
  deps: InvokeDeps,
  api: ApiName,
  manner: CallManner,
  parameters: ParametersAtStart,
  options: CallOptions,
): Promise<unknown> {
  const turn = deps.gate.enter(api, options);
  if (turn !== undefined) await turn;
  return send(deps, api, manner, parameters, options, () => deps.gate.assertMaySend(api, options.priority));
}

/** `assertMayGo` is asked once the quota lets the call go, which may be a minute later. */
function send(
  deps: InvokeDeps,
  api: ApiName,
  manner: CallManner,
  parameters: ParametersAtStart,
  options: CallOptions,
  assertMayGo: () => void,
): Promise<unknown> {
  return deps.limiter.run(api, options, async ({ waitedMs }) => {
    assertMayGo();
    if (manner.mutates) deps.fence.assertHeld();
    const toSend = typeof parameters === "function" ? parameters(deps.clock.now()) : parameters;
    if (toSend === undefined) return undefined;
    const sentAt = deps.clock.monotonic();
    const answered = (isError: boolean) => {
      const callMs = deps.clock.monotonic() - sentAt;
      deps.metrics.called(api, callMs, isError);
      options.onTiming?.({ api, limiterWaitMs: waitedMs, callMs });
      return callMs;
    };
    try {
      const beforeSend = manner.mutates ? () => deps.fence.assertHeld() : undefined;
      const answer = await orAborted(deps.call(api, toSend, options.signal, beforeSend), options.signal);
      deps.gate.answered(api);
      deps.logger.debug("cloud call", { api, durationMs: answered(false) });
      return answer;
    } catch (error) {
      const durationMs = answered(true);
      if (!(error instanceof CallFailed)) throw error;
      deps.logger.debug("cloud call failed", { api, durationMs, code: error.code, requestId: error.requestId });
      const failure = toOperatorError(api, error, deps.clock.now(), (code) => deps.metrics.unknownCode(code));
      deps.gate.failed(api, failure, deps.clock.now() - durationMs);
      throw failure;
    }
  });
}

/** The answer, or AbortError as soon as the signal aborts; an answer that comes later is dropped. */
function orAborted(answer: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
