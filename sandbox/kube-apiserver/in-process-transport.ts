import type { Transport, TransportRequest, TransportResponse } from "../../runtime/transport.ts";
import { cloneJson } from "./kube-json.ts";
import type { RequestHandler } from "./request-handler.ts";
import type { ApiRequest, ApiResponse, UserInfo, WatchAnswer } from "./request.ts";

/** Requests as function calls. JSON is copied at the boundary, as a wire would do. */
export class InProcessTransport implements Transport {
  readonly #handler: RequestHandler;
  readonly #user: UserInfo;

  constructor(handler: RequestHandler, user: UserInfo) {
    this.#handler = handler;
    this.#user = user;
  }

  async request(request: TransportRequest, signal: AbortSignal): Promise<TransportResponse> {
    signal.throwIfAborted();
    const answer = await this.#handler.handle(this.#toApiRequest(request));
    signal.throwIfAborted();
    return "run" in answer ? watchNeedsStream : toResponse(answer);
  }

  async stream(
    request: TransportRequest,
    onEvent: (event: unknown) => void,
    signal: AbortSignal,
  ): Promise<TransportResponse> {
    signal.throwIfAborted();
    const answer: ApiResponse | WatchAnswer = await this.#handler.handle(this.#toApiRequest(request));
    if (!("run" in answer)) return toResponse(answer);
    await answer.run((event) => {
      if (!signal.aborted) onEvent(cloneJson(event));
    }, signal);
    signal.throwIfAborted();
    return { status: 200, headers: { "content-type": "application/json" }, body: undefined };
  }

  #toApiRequest(request: TransportRequest): ApiRequest {
    const question = request.path.indexOf("?");
    return {
      method: request.method,
      path: question < 0 ? request.path : request.path.slice(0, question),
      query: new URLSearchParams(question < 0 ? "" : request.path.slice(question + 1)),
      headers: request.headers ?? {},
      body: cloneJson(request.body),
      user: this.#user,
    };
  }
}

const watchNeedsStream: TransportResponse = {
  status: 400,
  headers: { "content-type": "application/json" },
  body: {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "a watch is opened with stream, not with request",
    reason: "BadRequest",
    code: 400,
  },
};

function toResponse({ status, headers, body }: ApiResponse): TransportResponse {
  return { status, headers: { "content-type": "application/json", ...headers }, body: cloneJson(body) };
}
