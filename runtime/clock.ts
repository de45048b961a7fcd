import type { Clock } from "./ports.ts";

/** Longest delay that a Node timer keeps (2^31 − 1 ms, about 24.8 days). Longer ones would fire at once. */
const longestTimerMs = 2_147_483_647;

/**
 * The machine's clocks. The globals are looked up at every call, so a test that replaces them (fake timers) rules this
 * clock too.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    // Not `performance.now() + ms` against a single timer: a sleep of months is cut into pieces that a timer can hold.
    let remaining = Math.max(0, ms);
    do {
      const piece = Math.min(remaining, longestTimerMs);
      await timer(piece, signal);
      remaining -= piece;
    } while (remaining > 0);
  },
};

function timer(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(abortError());
      return;
    }
    const onAbort = () => {
      clearTimeout(handle);
      reject(abortError());
    };
    const handle = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** What an aborted wait rejects with; `isAbort` of errors.ts recognises it. */
export function abortError(): Error {
  return new DOMException("The operation was aborted", "AbortError");
}

/**
 * Waits for `work`, at most `ms` milliseconds. `work` gets a signal that aborts when the time is over or `signal` does.
 * @throws what `onTimeout` makes, when the time is over first, even if `work` ignores its signal
 */
export async function withTimeout<R>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<R>,
  onTimeout: () => Error,
): Promise<R> {
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  if (signal.aborted) throw abortError();
  signal.addEventListener("abort", onAbort, { once: true });
  const limit = new AbortController();
  const timeout = clock.sleep(ms, AbortSignal.any([limit.signal, stop.signal])).then(() => {
    throw onTimeout();
  });
  try {
    const running = work(stop.signal);
    running.catch(() => undefined); // Its late rejection, after the time-out won, has no reader.
    return await Promise.race([running, timeout]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    timeout.catch(() => undefined);
    limit.abort();
    stop.abort();
  }
}
