/** What was asked of the server, for tests that count calls. */
export class RequestCounter {
  readonly #requests = new Map<string, number>();

  /** `verb` as in RBAC (`list`, `watch`, `deletecollection`); `resource` as `pods` or `pods/status`. */
  count(verb: string, resource: string): void {
    const key = `${verb} ${resource}`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }

  /** By `verb resource`, for instance `patch podenis/status`. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#requests);
  }
}
