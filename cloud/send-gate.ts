/** The last look before a call of the SDK leaves this process. */
import { AsyncLocalStorage } from "node:async_hooks";
import { channel } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";
import type { Socket } from "node:net";

/**
 * A process can be paused between any two steps: while the SDK signs, or while a connection is made. What was allowed
 * before may not be allowed any more when it goes on, so the question is asked again with the connection at hand, in the
 * same turn in which the request is written to it.
 */
export class SendGate {
  readonly #check: () => void;
  #refusal: Error | undefined;

  /** `check` throws when nothing may be sent. */
  constructor(check: () => void) {
    this.#check = check;
  }

  /** What `check` threw when a request was held back. */
  get refusal(): Error | undefined {
    return this.#refusal;
  }

  /** Every HTTP request of Node's own client that `work` makes passes the gate. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    return await gates.run(this, work);
  }

  /** Called for each request as it is made, before it has a connection. */
  watch(request: ClientRequest): void {
    request.prependOnceListener("socket", (socket: Socket) => {
      if (!socket.connecting) {
        this.#open(request);
        return;
      }
      // Held back in the socket, for a TLS socket would send it by itself as soon as it can.
      socket.cork();
      socket.prependOnceListener("encrypted" in socket ? "secureConnect" : "connect", () => {
        this.#open(request);
        socket.uncork();
      });
    });
  }

  #open(request: ClientRequest): void {
    try {
      this.#check();
    } catch (error) {
      this.#refusal = error instanceof Error ? error : new Error(String(error));
      request.destroy(new Error("held back"));
    }
  }
}

const gates = new AsyncLocalStorage<SendGate>();

// The SDK keeps its connections to itself; Node tells of every request (documentation of node:diagnostics_channel).
channel("http.client.request.created").subscribe((message) => {
  gates.getStore()?.watch((message as { readonly request: ClientRequest }).request);
});
