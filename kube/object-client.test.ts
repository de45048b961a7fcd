import { describe, expect, it } from "@jest/globals";
import {
  AlreadyExistsError,
  ConflictError,
  FencedError,
  NotFoundError,
  PermissionError,
  TerminalError,
  ThrottledError,
  TransientError,
} from "../runtime/errors.ts";
import type { KubeObject } from "../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../runtime/transport.ts";
import { createLeaseClient } from "./lease-client.ts";
import { createObjectClient } from "./object-client.ts";
import { pathOf, resourceOfPath, resourceTypes } from "./resources.ts";

const never = new AbortController().signal;

interface Thing extends KubeObject {
  readonly spec?: object;
}

/** A transport that answers every request alike and keeps what it was asked. */
function answering(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
  const requests: TransportRequest[] = [];
  const transport: Transport = {
    request: (request): Promise<TransportResponse> => {
      requests.push(request);
      return Promise.resolve({ status, headers, body });
    },
    stream: () => Promise.reject(new Error("not expected")),
  };
  return { transport, requests };
}

function client(transport: Transport, options: { fence?: { assertHeld(): void }; written?: Thing[] } = {}) {
  const { fence, written } = options;
  return createObjectClient<Thing>({
    transport,
    resource: resourceTypes.podEnis,
    ...(fence === undefined ? {} : { fence }),
    ...(written === undefined ? {} : { onWritten: (object) => written.push(object) }),
  });
}

function status(code: number, reason: string, more: object = {}) {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `${reason} it is`, ...more };
}

const thing: Thing = { metadata: { name: "web-0", namespace: "shop" }, spec: { zone: "z" } };
const base = "/apis/network.alibabacloud.com/v1beta1/namespaces/shop/podenis";

describe("requests of an object client", () => {
  const manager = "?fieldManager=terway-controlplane";
  const rows = [
    {
      name: "create posts to the collection with apiVersion and kind",
      call: (c: ReturnType<typeof client>) => c.create(thing, never),
      want: {
        method: "POST",
        path: `${base}${manager}`,
        body: { apiVersion: "network.alibabacloud.com/v1beta1", kind: "PodENI" },
      },
    },
    {
      name: "update puts the object",
      call: (c: ReturnType<typeof client>) => c.update(thing, never),
      want: { method: "PUT", path: `${base}/web-0${manager}` },
    },
    {
      name: "updateStatus puts to the subresource",
      call: (c: ReturnType<typeof client>) => c.updateStatus(thing, never),
      want: { method: "PUT", path: `${base}/web-0/status${manager}` },
    },
    {
      name: "patch sends a merge patch",
      call: (c: ReturnType<typeof client>) => c.patch("shop", "web-0", { spec: null }, never),
      want: {
        method: "PATCH",
        path: `${base}/web-0${manager}`,
        headers: { "content-type": "application/merge-patch+json" },
        body: { spec: null },
      },
    },
    {
      name: "patchStatus sends a merge patch to the subresource",
      call: (c: ReturnType<typeof client>) => c.patchStatus("shop", "web-0", { status: {} }, never),
      want: { method: "PATCH", path: `${base}/web-0/status${manager}`, body: { status: {} } },
    },
    {
      name: "delete guards by uid",
      call: (c: ReturnType<typeof client>) => c.delete("shop", "web-0", { uid: "u1" }, never),
      want: { method: "DELETE", path: `${base}/web-0`, body: { kind: "DeleteOptions", preconditions: { uid: "u1" } } },
    },
  ];
  it.each(rows)("$name", async ({ call, want }) => {
    const { transport, requests } = answering(200, thing);
    await call(client(transport));
    expect(requests).toMatchObject([want]);
  });
});

describe("refusals", () => {
  const causes = {
    details: { causes: [{ field: "spec.zone", message: "must be text", reason: "FieldValueInvalid" }] },
  };
  const rows = [
    { name: "409 AlreadyExists", code: 409, body: status(409, "AlreadyExists"), type: AlreadyExistsError, message: "" },
    { name: "409 Conflict", code: 409, body: status(409, "Conflict"), type: ConflictError, message: "Conflict it is" },
    { name: "404", code: 404, body: status(404, "NotFound"), type: NotFoundError, message: "shop/web-0" },
    {
      name: "422 names the fields",
      code: 422,
      body: status(422, "Invalid", causes),
      type: TerminalError,
      message: "spec.zone: must be text",
    },
    {
      name: "403 names verb and resource",
      code: 403,
      body: status(403, "Forbidden", { message: 'podenis is forbidden: User "x" cannot update resource' }),
      type: PermissionError,
      message: 'grant verb "update" on "podenis.network.alibabacloud.com"',
    },
    {
      name: "403 of an admission webhook gives no RBAC advice",
      code: 403,
      body: status(403, "Forbidden", { message: "namespace shop is being terminated" }),
      type: TerminalError,
      message: "update podenis.network.alibabacloud.com shop/web-0: namespace shop is being terminated",
    },
    {
      name: "401",
      code: 401,
      body: status(401, "Unauthorized"),
      type: PermissionError,
      message: "does not accept the credentials",
    },
    { name: "429", code: 429, body: status(429, "TooManyRequests"), type: ThrottledError, message: "" },
    {
      name: "500",
      code: 500,
      body: status(500, "InternalError"),
      type: TransientError,
      message: "InternalError it is",
    },
    {
      name: "HTML of a proxy",
      code: 502,
      body: "<html>bad gateway</html>",
      type: TransientError,
      message: "bad gateway",
    },
    { name: "an answer that is no object", code: 200, body: "cut off", type: TransientError, message: "no object" },
  ];
  it.each(rows)("$name", async ({ code, body, type, message }) => {
    const outcome = client(answering(code, body).transport).update(thing, never);
    await expect(outcome).rejects.toThrow(type);
    await expect(outcome).rejects.toThrow(message);
  });

  it.each([
    { name: "the header rules", header: "7", want: 7000 },
    { name: "the body rules without a header", header: undefined, want: 3000 },
    { name: "an hour is cut to a minute", header: "3600", want: 60_000 },
  ])("Retry-After: $name", async ({ header, want }) => {
    const body = status(429, "TooManyRequests", { details: { retryAfterSeconds: 3 } });
    const { transport } = answering(429, body, header === undefined ? {} : { "retry-after": header });
    await expect(client(transport).update(thing, never)).rejects.toMatchObject({ retryAfterMs: want });
  });

  it("absence is undefined to a read and success to a delete", async () => {
    const gone = client(answering(404, status(404, "NotFound")).transport);
    expect(await gone.getLive("shop", "web-0", never)).toBeUndefined();
    await expect(gone.delete("shop", "web-0", {}, never)).resolves.toBeUndefined();
  });

  it("a delete whose uid is another object's is a conflict", async () => {
    const taken = client(answering(409, status(409, "Conflict")).transport);
    await expect(taken.delete("shop", "web-0", { uid: "old" }, never)).rejects.toThrow(ConflictError);
  });
});

describe("the fence and the cache", () => {
  it("no write leaves without the lease, reads do", async () => {
    const { transport, requests } = answering(200, thing);
    const fence = {
      assertHeld: () => {
        throw new FencedError();
      },
    };
    const fenced = client(transport, { fence });
    await expect(fenced.create(thing, never)).rejects.toThrow(FencedError);
    await expect(fenced.patchStatus("shop", "web-0", {}, never)).rejects.toThrow(FencedError);
    await expect(fenced.delete("shop", "web-0", {}, never)).rejects.toThrow(FencedError);
    expect(requests).toHaveLength(0);
    expect(await fenced.getLive("shop", "web-0", never)).toEqual(thing);
  });

  it("the fence is asked again when the request leaves", async () => {
    let checks = 0;
    const { transport, requests } = answering(200, thing);
    await client(transport, { fence: { assertHeld: () => (checks += 1) } }).update(thing, never);
    requests[0]!.beforeSend!();
    expect(checks).toBe(2);
  });

  it("answers of writes reach the cache, except of an object that the write let go", async () => {
    const written: Thing[] = [];
    await client(answering(200, thing).transport, { written }).update(thing, never);
    expect(written).toEqual([thing]);
    const deleting = { metadata: { ...thing.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    await client(answering(200, deleting).transport, { written }).update(thing, never);
    expect(written).toHaveLength(1);
    const held = { metadata: { ...deleting.metadata, finalizers: ["x/y"] } };
    await client(answering(200, held).transport, { written }).update(thing, never);
    expect(written).toHaveLength(2);
  });
});

describe("paths", () => {
  it.each([
    { path: pathOf(resourceTypes.pods), want: "/api/v1/pods", resource: "pods" },
    {
      path: pathOf(resourceTypes.pods, { namespace: "a", name: "b" }),
      want: "/api/v1/namespaces/a/pods/b",
      resource: "pods",
    },
    { path: pathOf(resourceTypes.namespaces, { name: "a" }), want: "/api/v1/namespaces/a", resource: "namespaces" },
    {
      path: pathOf(resourceTypes.podEnis, { namespace: "a", name: "b", subresource: "status" }),
      want: "/apis/network.alibabacloud.com/v1beta1/namespaces/a/podenis/b/status",
      resource: "podenis.network.alibabacloud.com",
    },
    {
      path: pathOf(resourceTypes.networkInterfaces, { namespace: "ignored", name: "eni-1" }),
      want: "/apis/network.alibabacloud.com/v1beta1/networkinterfaces/eni-1",
      resource: "networkinterfaces.network.alibabacloud.com",
    },
  ])("$want", ({ path, want, resource }) => {
    expect(path).toBe(want);
    expect(resourceOfPath(`${path}?limit=500`)).toBe(resource);
  });

  it("anything else is its own resource", () => {
    expect(resourceOfPath("/version")).toBe("/version");
  });
});

describe("the lease client", () => {
  it("reads a lease without spec as one that nobody holds", async () => {
    const { transport, requests } = answering(200, { metadata: { name: "b", namespace: "a" } });
    expect(await createLeaseClient(transport).get("a", "b", never)).toMatchObject({ spec: {} });
    expect(requests[0]!.path).toBe("/apis/coordination.k8s.io/v1/namespaces/a/leases/b");
  });
});
