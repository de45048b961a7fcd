import type { Hold, SharedCauses } from "./shared-causes.ts";

/** The part of a CreateNetworkInterface that decides whether the cloud refuses another one for the same cause. */
export interface CreationKind {
  readonly type: "Secondary" | "Trunk";
  readonly vSwitchId: string;
  readonly securityGroupIds: readonly string[];
  /** Empty for none. */
  readonly resourceGroupId: string;
}

/** Reasons of the error table (cloud/error-codes.ts) that have to do with the account, whatever the request says. */
const accountReasons: ReadonlySet<string> = new Set(["AccessDenied", "AccountInterfaceLimit", "ApiNotFound"]);

const account = "create";

/**
 * Refusals of CreateNetworkInterface that a person must mend: held for all creations of the same kind, and those that
 * concern the account for all creations, whichever controller they are of.
 */
export class CreationCauses {
  readonly #causes: SharedCauses;

  constructor(causes: SharedCauses) {
    this.#causes = causes;
  }

  /** Undefined when `key` may try. */
  holdOf(creation: CreationKind, key: string): Hold | undefined {
    const kind = textOf(creation);
    return this.#causes.holdOf(account, kind, key) ?? this.#causes.holdOf(kind, kind, key);
  }

  /** `key` tries for all that wait for the same. */
  claim(creation: CreationKind, key: string): void {
    const kind = textOf(creation);
    this.#causes.claim(account, kind, key);
    // Held by its own kind too, it is tried no earlier than that allows.
    this.#causes.claim(kind, kind, key);
  }

  /** It was refused for what a person must mend. */
  failed(creation: CreationKind, cause: { readonly reason: string; readonly message: string }): void {
    const kind = textOf(creation);
    this.#causes.failed(kind, kind, cause);
    if (accountReasons.has(cause.reason)) this.#causes.failed(account, kind, cause);
    else this.#causes.succeeded(account);
  }

  succeeded(creation: CreationKind): void {
    this.#causes.succeeded(account);
    this.#causes.succeeded(textOf(creation));
  }
}

function textOf({ type, vSwitchId, securityGroupIds, resourceGroupId }: CreationKind): string {
  return ["create", type, vSwitchId, resourceGroupId, ...[...securityGroupIds].sort()].join("/");
}
