import type { Answer } from "./answers.ts";
import type { Api, WireParameters } from "./api.ts";
import { invalidParameter, Refusal } from "./refusal.ts";

/** APIs that have the parameter ClientToken; for the others it has no effect. Source: cloud-api §B2. */
const tokenApis: ReadonlySet<Api> = new Set<Api>([
  "CreateNetworkInterface",
  "AssignPrivateIpAddresses",
  "AssignIpv6Addresses",
]);

// How long the cloud remembers a token is not published; a day outlives any outage that the sandbox plays.
const rememberedMs = 24 * 3_600_000;

interface Remembered {
  readonly fingerprint: string;
  readonly answer: Answer;
  readonly atMs: number;
}

/**
 * Same token and same parameters: the first answer again, nothing happens twice. Same token and other parameters:
 * IdempotentParameterMismatch. A refused call is not remembered. Source: cloud-api §C3.
 */
export class ClientTokens {
  readonly #remembered = new Map<string, Remembered>();

  /**
   * The remembered answer; undefined when the call must be done.
   * @throws Refusal IdempotentParameterMismatch; InvalidParameter for a token that is not 1 to 64 ASCII characters (§C1)
   */
  replay(api: Api, parameters: WireParameters, nowMs: number): Answer | undefined {
    const token = this.#tokenOf(api, parameters);
    if (token === undefined) return undefined;
    this.forget(nowMs - rememberedMs);
    const remembered = this.#remembered.get(token);
    if (remembered === undefined) return undefined;
    if (remembered.fingerprint !== fingerprintOf(parameters)) {
      const message = "The request uses the same client token as a previous, but non-identical request.";
      throw new Refusal(400, "IdempotentParameterMismatch", message);
    }
    return remembered.answer;
  }

  remember(call: { api: Api; parameters: WireParameters; answer: Answer; nowMs: number }): void {
    const token = this.#tokenOf(call.api, call.parameters);
    if (token === undefined) return;
    this.#remembered.set(token, {
      fingerprint: fingerprintOf(call.parameters),
      answer: call.answer,
      atMs: call.nowMs,
    });
  }

  /** Forgets what was first used until then, milliseconds since the epoch. */
  forget(untilMs: number): void {
    for (const [token, { atMs }] of this.#remembered) {
      if (atMs > untilMs) return;
      this.#remembered.delete(token);
    }
  }

  #tokenOf(api: Api, parameters: WireParameters): string | undefined {
    const token = parameters["ClientToken"];
    if (token === undefined || token === "" || !tokenApis.has(api)) return undefined;
    if (!/^[\x20-\x7e]{1,64}$/.test(token)) throw invalidParameter("ClientToken", "expected 1 to 64 ASCII characters");
    return `${api} ${token}`;
  }
}

function fingerprintOf(parameters: WireParameters): string {
  const names = Object.keys(parameters).sort();
  return JSON.stringify(names.map((name) => [name, parameters[name]]));
}
