/** Uses older than this are taken to be in whatever the cloud says. Free counts of the cloud lag by seconds. */
const longestLagMs = 60_000;

/**
 * Addresses of one vSwitch that we took or gave back and that the cloud's free count, which lags, may not show yet.
 *
 * A count that moved since the read before is taken to show our oldest uses of that direction, so that neither a count that
 * lags nor one that does not is corrected twice.
 */
export class OwnUse {
  /** Oldest first. */
  #unseen: { readonly atMs: number; readonly by: 1 | -1 }[] = [];

  /** Addresses taken, less those given back, that the last read does not show. */
  get unseen(): number {
    return this.#unseen.reduce((sum, { by }) => sum + by, 0);
  }

  /** One address was taken (1) or given back (-1). */
  changed(by: 1 | -1, atMs: number): void {
    this.#unseen.push({ atMs, by });
  }

  /** The cloud was read. @param fewer free addresses than at the read before; negative when more */
  read(fewer: number, atMs: number): void {
    const direction = Math.sign(fewer);
    let shown = Math.abs(fewer);
    this.#unseen = this.#unseen.filter((use) => {
      if (atMs - use.atMs >= longestLagMs) return false;
      if (use.by !== direction || shown === 0) return true;
      shown -= 1;
      return false;
    });
  }
}
