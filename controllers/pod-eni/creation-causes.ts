import type { PodEniAllocation } from "../../crds/v1beta1/pod-eni.gen.ts";
import type { Hold, SharedCauses } from "../../runtime/shared-causes.ts";
import type { CreationFailure } from "./state.ts";

/** Reasons of the error table (cloud/error-codes.ts) that have to do with the account, whatever the request says. */
const accountReasons: ReadonlySet<string> = new Set(["AccessDenied", "AccountInterfaceLimit", "ApiNotFound"]);

const account = "create";

/**
 * Refusals of CreateNetworkInterface that a person must mend: held for all creations of the same kind, and those that
 * concern the account for all creations.
 */
export class CreationCauses {
  readonly #causes: SharedCauses;

  constructor(causes: SharedCauses) {
    this.#causes = causes;
  }

  /** Undefined when the creation of that interface, `key`, may be tried. */
  holdOf(allocation: PodEniAllocation, key: string): Hold | undefined {
    const kind = toKind(allocation);
    return this.#causes.holdOf(account, kind, key) ?? this.#causes.holdOf(kind, kind, key);
  }

  /** The creation of that interface is tried for all that wait for the same. */
  claim(allocation: PodEniAllocation, key: string): void {
    const kind = toKind(allocation);
    this.#causes.claim(account, kind, key);
    // Held by its own kind too, it is tried no earlier than that allows.
    this.#causes.claim(kind, kind, key);
  }

  failed(allocation: PodEniAllocation, failure: CreationFailure): void {
    if (failure.remedy !== "stop") return;
    const kind = toKind(allocation);
    this.#causes.failed(kind, kind, failure);
    if (accountReasons.has(failure.reason)) this.#causes.failed(account, kind, failure);
    else this.#causes.succeeded(account);
  }

  succeeded(allocation: PodEniAllocation): void {
    this.#causes.succeeded(account);
    this.#causes.succeeded(toKind(allocation));
  }
}

/** The part of a request that decides whether the cloud refuses another one for the same cause. */
function toKind({ eni = {} }: PodEniAllocation): string {
  const { vSwitchID = "", securityGroupIDs = [], resourceGroupID = "" } = eni;
  return ["create", vSwitchID, resourceGroupID, ...[...securityGroupIDs].sort()].join("/");
}
