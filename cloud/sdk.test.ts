import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CallFailed } from "./call.ts";
import { createSdkCall } from "./sdk.ts";

const signal = new AbortController().signal;
// Loading the SDK takes seconds on a busy machine.
jest.setTimeout(30_000);

describe("the official SDK as the cloud call", () => {
  let server: Server;
  let endpoint: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  let lastUrl = "";
  let lastHeaders: IncomingMessage["headers"] = {};
  let invalidated = 0;

  beforeAll(async () => {
    server = createServer((request, response) => {
      lastUrl = decodeURIComponent(request.url ?? "");
      lastHeaders = request.headers;
      request.resume();
      request.on("end", () => answer(request, response));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const call = (timeoutMs = 300, at = endpoint) =>
    createSdkCall({
      regionId: "cn-hangzhou",
      credentials: {
        get: () => Promise.resolve({ accessKeyId: "testAK", accessKeySecret: "testSK", securityToken: "testSTS" }),
        invalidate: () => (invalidated += 1),
      },
      ecsEndpoint: at,
      vpcEndpoint: at,
      scheme: "http",
      userAgent: "terway-controlplane/test",
      timeoutMs,
    });

  it("sends nothing when it is refused at the last moment, and rejects with the refusal", async () => {
    answer = json(200, { NetworkInterfaceId: "eni-1" });
    lastUrl = "";
    const refusal = new Error("the lease is lost");
    let asked = 0;
    const beforeSend = () => {
      asked += 1;
      throw refusal;
    };
    const attempt = call()("CreateNetworkInterface", { RegionId: "cn-hangzhou" }, signal, beforeSend);
    await expect(attempt).rejects.toBe(refusal);
    expect(asked).toBe(1);
    expect(lastUrl).toBe("");
  });

  const json = (status: number, body: object, headers: Record<string, string> = {}) => {
    return (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    };
  };
  const failure = async (attempt: Promise<unknown>): Promise<CallFailed> => {
    const error: unknown = await attempt.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof CallFailed)) throw new Error("expected CallFailed", { cause: error });
    return error;
  };

  it("sends the parameters in the wire's spelling, signed, and gives the wire's answer", async () => {
    answer = json(200, { RequestId: "R-1", NetworkInterfaceId: "eni-1", Unknown: { Kept: 1 } });
    const got = await call()(
      "CreateNetworkInterface",
      {
        RegionId: "cn-hangzhou",
        VSwitchId: "vsw-1",
        SecurityGroupIds: ["sg-1", "sg-2"],
        DeleteOnRelease: true,
        ResourceGroupId: undefined,
        Tag: [{ Key: "a/b", Value: "c d" }],
      },
      signal,
    );
    expect(got).toEqual({ RequestId: "R-1", NetworkInterfaceId: "eni-1", Unknown: { Kept: 1 } });
    expect(lastUrl.slice(2).split("&").sort()).toEqual([
      "DeleteOnRelease=true",
      "RegionId=cn-hangzhou",
      "SecurityGroupIds.1=sg-1",
      "SecurityGroupIds.2=sg-2",
      "Tag.1.Key=a/b",
      "Tag.1.Value=c d",
      "VSwitchId=vsw-1",
    ]);
    expect(lastHeaders).toMatchObject({
      "x-acs-action": "CreateNetworkInterface",
      "x-acs-version": "2014-05-26",
      "x-acs-security-token": "testSTS",
    });
    expect(lastHeaders.authorization).toMatch(/^ACS3-HMAC-SHA256 Credential=testAK,/);
    expect(lastHeaders["user-agent"]).toContain("terway-controlplane/test");
  });

  it("asks the VPC product for vSwitches", async () => {
    answer = json(200, { VSwitches: { VSwitch: [] } });
    await call()("DescribeVSwitches", { VSwitchId: "vsw-1" }, signal);
    expect(lastHeaders["x-acs-version"]).toBe("2016-04-28");
  });

  const denied = { AuthAction: "ecs:CreateNetworkInterface", NoPermissionType: "ImplicitDeny" };
  const rows: readonly {
    name: string;
    given: (request: IncomingMessage, response: ServerResponse) => void;
    want: Partial<CallFailed>;
  }[] = [
    {
      name: "400 Throttling.User",
      given: json(400, { RequestId: "R", Code: "Throttling.User", Message: "too many" }),
      want: { kind: "answered", code: "Throttling.User", status: 400, requestId: "R", message: "too many" },
    },
    {
      name: "429 with retry-after",
      given: json(429, { RequestId: "R", Code: "Throttling.Api", Message: "m" }, { "x-acs-retry-after": "1500" }),
      want: { kind: "answered", code: "Throttling.Api", retryAfterMs: 1500 },
    },
    {
      name: "404",
      given: json(404, { RequestId: "R", Code: "InvalidEniId.NotFound", Message: "gone" }),
      want: { kind: "answered", code: "InvalidEniId.NotFound", status: 404 },
    },
    {
      name: "403 Forbidden.RAM",
      given: json(403, { RequestId: "R", Code: "Forbidden.RAM", Message: "no", AccessDeniedDetail: denied }),
      want: { kind: "answered", code: "Forbidden.RAM", missingAction: "ecs:CreateNetworkInterface" },
    },
    {
      name: "500 InternalError",
      given: json(500, { RequestId: "R", Code: "InternalError", Message: "m" }),
      want: { kind: "answered", code: "InternalError", status: 500 },
    },
    {
      name: "502 with HTML",
      given: (_, response) => {
        response.writeHead(502, { "content-type": "text/html" });
        response.end("<html><body>502</body></html>");
      },
      want: { kind: "malformed", code: "MalformedAnswer" },
    },
    {
      name: "200 with HTML",
      given: (_, response) => {
        response.end("<html></html>");
      },
      want: { kind: "malformed", code: "MalformedAnswer" },
    },
    {
      name: "500 without body",
      given: (_, response) => {
        response.writeHead(500);
        response.end();
      },
      want: { kind: "malformed", code: "MalformedAnswer" },
    },
    {
      name: "200 without body",
      given: (_, response) => {
        response.end();
      },
      want: { kind: "malformed", code: "MalformedAnswer" },
    },
    {
      name: "connection reset",
      given: (request) => {
        request.socket.destroy();
      },
      want: { kind: "connectionLost", code: "ConnectionLost" },
    },
    { name: "no answer", given: () => undefined, want: { kind: "timeout", code: "Timeout" } },
    {
      name: "a body that stalls",
      given: (_, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write("{");
        setTimeout(() => response.destroy(), 50);
      },
      want: { kind: "connectionLost", code: "ConnectionLost" },
    },
  ];

  it.each(rows)("$name becomes a failure without URL, key or signature", async ({ given, want }) => {
    answer = given;
    const error = await failure(call()("AttachNetworkInterface", { NetworkInterfaceId: "eni-1" }, signal));
    expect(error).toMatchObject(want);
    expect(`${error.message} ${error.stack ?? ""}`).not.toMatch(/testAK|testSK|Signature|\?NetworkInterfaceId/);
    expect(error.cause).toBeUndefined();
  });

  it("tells a refused connection, where nothing was sent, from a broken one", async () => {
    const error = await failure(call(300, "127.0.0.1:1")("AttachNetworkInterface", {}, signal));
    expect(error).toMatchObject({ kind: "notSent", code: "NotSent" });
  });

  it("waits for a slow answer up to its time-out", async () => {
    answer = (request, response) => {
      setTimeout(() => json(200, { RequestId: "late" })(request, response), 400);
    };
    await expect(call(800)("AttachNetworkInterface", {}, signal)).resolves.toEqual({ RequestId: "late" });
  });

  it("has the credential fetched again when the cloud calls it expired", async () => {
    answer = json(400, { RequestId: "R", Code: "InvalidSecurityToken.Expired", Message: "m" });
    invalidated = 0;
    await failure(call()("AttachNetworkInterface", {}, signal));
    expect(invalidated).toBe(1);
  });

  it("refuses an API that neither ECS nor VPC serves", async () => {
    const error = await failure(call()("GetNodeInfoForPod", {}, signal));
    expect(error).toMatchObject({ kind: "notSent", code: "UnsupportedParameter" });
  });
});
