/** The right to change the cloud. Checked before every mutating call: a process that lost its lease must not act. */
export interface Fence {
  /** @throws FencedError when it is not certain that this process is the leader now */
  assertHeld(): void;
}

/** For `leaderElection: false`: the operator of the program guarantees that only one process runs. */
export const alwaysHeld: Fence = { assertHeld: () => undefined };
