/** Ends this process unless it says in time that it goes on. */
export interface Watchdog {
  /** So many milliseconds from now the process ends, unless this is called again, or `stop` is. Above 0. */
  feed(ms: number): void;
  /** The process may live on without being fed. */
  stop(): void;
}

/** A process that its watchdog ended has this exit code. */
export const watchdogExitCode = 14;

/** The number of SIGALRM, on every Linux that Node.js runs on. */
const sigalrm = watchdogExitCode;
const clockMonotonic = 1;
/** Of `sigev_notify`: the signal goes to one thread. */
const sigevThreadId = 4;

/**
 * A timer of the Linux kernel (timer_create(2)), on the clock of `Clock.monotonic`. It runs while the process is stopped or
 * frozen, and its signal goes to the thread of JavaScript: when the process goes on after the end of its time, that thread
 * enters the handler before it executes another instruction of its own. The handler is _exit(2) itself, which gets the
 * signal's number as exit code; it is a handler because the first process of a container is immune to default actions.
 * At most one in a process, on its main thread.
 * @throws Error where there is no such timer, for instance outside Linux
 */
export async function createWatchdog(): Promise<Watchdog> {
  const { default: koffi } = await import("koffi");
  // The names that the program itself is linked with: whichever C library this Node.js was built for.
  const libc = koffi.load(null);
  const setHandler = libc.func("void *signal(int number, void *handler)");
  const createTimer = libc.func("int timer_create(int clock, void *event, _Out_ void **timer)");
  const setTimer = libc.func("int timer_settime(void *timer, int flags, void *time, void *former)");
  setHandler(sigalrm, libc.symbol("_exit"));

  // struct sigevent: a value of 8 bytes, signo, notify, and the thread, which for the main thread is the process's number.
  const event = Buffer.alloc(64);
  event.writeInt32LE(sigalrm, 8);
  event.writeInt32LE(sigevThreadId, 12);
  event.writeInt32LE(process.pid, 16);
  const made: [unknown] = [null];
  if (createTimer(clockMonotonic, event, made) !== 0) throw new Error("timer_create(2) failed");

  const set = (ms: number): void => {
    // struct itimerspec: interval and value, each of seconds and nanoseconds; zero disarms.
    const time = Buffer.alloc(32);
    const nanoseconds = BigInt(Math.ceil(ms * 1e6));
    time.writeBigInt64LE(nanoseconds / 1_000_000_000n, 16);
    time.writeBigInt64LE(nanoseconds % 1_000_000_000n, 24);
    if (setTimer(made[0], 0, time, null) !== 0) throw new Error("timer_settime(2) failed");
  };
  return { feed: (ms) => set(Math.max(ms, 1)), stop: () => set(0) };
}
