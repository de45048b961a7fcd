import type { Eni } from "../../domain/eni/eni.ts";
import type { NetworkInterface } from "../../crds/v1beta1/network-interface.gen.ts";
import type { Suspension } from "../../domain/suspension/suspension.ts";
import { annotations, finalizers } from "../../crds/v1beta1/names.ts";

/** Everything that decides what happens next to one cloud interface. */
export interface NetworkInterfaceState {
  readonly eniId: string;
  /**
   * What the record asks for. Source: `.status.phase` and `.metadata.deletionTimestamp`.
   * `none`: nothing to do (phases empty, Bind, Unbind), or nothing that could be done here (Lingjun's own APIs).
   */
  readonly goal: "attached" | "detached" | "gone" | "none";
  /** Never attach, detach or delete. Source: `.spec.managePolicy.unManaged`. */
  readonly isUnmanaged: boolean;
  readonly hasFinalizer: boolean;
  /** Where it should be, or was asked to be. Source: `.status.instanceID`, `.trunkENIID`, `.networkCardIndex`. */
  readonly instanceId: string;
  readonly trunkEniId: string;
  readonly networkCardIndex?: number;
  /** It was attached and detached before, by this process or a former one. Source: `.status.eniInfo.status` Unbind. */
  readonly wasDetached: boolean;
  /** Since when this process makes the calls; those of a former one are not known. */
  readonly leadsSinceMs: number;
  /** Newest thing known of the interface in the cloud; absent after a restart. `eni` undefined: the cloud has none. */
  readonly knowledge?: Knowledge;
  /** The last effect that this process asked the cloud for. */
  readonly lastCall?: LastCall;
  /** Of whose interfaces alone may be touched. Source: configuration `clusterID`. */
  readonly clusterId: string;
  /** Why a call or a look would be held back now. */
  readonly suspensions: Readonly<Partial<Record<Effect | "look", Suspension>>>;
  readonly nowMs: number;
}

export interface Knowledge {
  readonly eni: Eni | undefined;
  /** When the read began that found it. A read begun before an effect was asked for says nothing about the effect. */
  readonly observedAtMs: number;
  /** Since when every read has shown this same status (or absence). */
  readonly sameSinceMs: number;
}

export type Effect = "attach" | "detach" | "delete";

export interface LastCall {
  readonly effect: Effect;
  readonly startedAtMs: number;
  readonly outcome:
    | { readonly type: "running" }
    /** Accepted: the effect is on its way, its end shows in a read. */
    | { readonly type: "accepted"; readonly atMs: number }
    /** No answer, or a broken one: the effect may be on its way. */
    | { readonly type: "unknown"; readonly atMs: number }
    /** Nothing happened. `retryAtMs`: not before then. `knowledgeHolds`: the refusal had nothing to do with the interface. */
    | {
        readonly type: "refused";
        readonly atMs: number;
        readonly retryAtMs: number;
        readonly knowledgeHolds: boolean;
      };
  /** When the last detach before this call was answered, unless it was refused. Reads may still show it attached there. */
  readonly formerDetachAtMs?: number;
  /** When the last attach before this call was sent, unless it was refused. Reads may still show it Available from before. */
  readonly formerAttachAtMs?: number;
  /** How often in a row this effect was asked for without reaching its end, this call included. */
  readonly tries: number;
}

/** What only this process knows of one interface. */
export type LedgerEntry = Pick<NetworkInterfaceState, "leadsSinceMs" | "knowledge" | "lastCall">;

/** When the last detach, this call or an earlier one, was answered; undefined when there was none or it was refused. */
export function detachAnsweredAtMs({ effect, outcome, formerDetachAtMs }: LastCall): number | undefined {
  if (effect !== "detach") return formerDetachAtMs;
  return outcome.type === "accepted" || outcome.type === "unknown" ? outcome.atMs : undefined;
}

/** When the last attach, this call or an earlier one, was sent; undefined when there was none or it was refused. */
export function attachSentAtMs({ effect, startedAtMs, outcome, formerAttachAtMs }: LastCall): number | undefined {
  return effect === "attach" && outcome.type !== "refused" ? startedAtMs : formerAttachAtMs;
}

/** What the record does not say. */
export type Surroundings = Pick<NetworkInterfaceState, "clusterId" | "suspensions" | "nowMs">;

/** Takes the record apart; the ledger supplies what only this process knows. */
// eslint-disable-next-line complexity -- counts the optional fields that it takes apart; it decides little
export function toState(
  record: NetworkInterface,
  ledger: LedgerEntry,
  surroundings: Surroundings,
): NetworkInterfaceState {
  const { status } = record;
  return {
    eniId: record.metadata.name,
    goal: isServedByEcs(record) ? goalOf(record) : "none",
    isUnmanaged: record.spec?.managePolicy?.unManaged === true,
    hasFinalizer: record.metadata.finalizers?.includes(finalizers.networkInterface) ?? false,
    instanceId: status?.instanceID ?? "",
    trunkEniId: status?.trunkENIID ?? "",
    ...(status?.networkCardIndex !== undefined && { networkCardIndex: status.networkCardIndex }),
    wasDetached: status?.eniInfo.status === "Unbind",
    ...ledger,
    ...surroundings,
  };
}

/** What the record asks for. */
export function goalOf(record: NetworkInterface): NetworkInterfaceState["goal"] {
  if (record.metadata.deletionTimestamp !== undefined) return "gone";
  switch (record.status?.phase) {
    case "Binding":
      return "attached";
    case "Detaching":
      return "detached";
    case "Deleting":
      return "gone";
    default:
      return "none";
  }
}

/** What ECS does not know is not gone: a record of another API is kept as it is, for a program that speaks that API. */
function isServedByEcs({ metadata, spec }: NetworkInterface): boolean {
  if (spec?.managePolicy?.unManaged === true) return true;
  const enoApi = metadata.annotations?.[annotations.enoApi] ?? "";
  if (enoApi === "ecs" || enoApi === "ecs-hdeni") return true;
  return enoApi !== "hdeni" && !/^(leni|hdeni)-/.test(metadata.name);
}
