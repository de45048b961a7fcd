import { describe, expect, it } from "@jest/globals";
import { decodeProtobuf } from "./protobuf.ts";

/** One field: a number as a varint, anything else length-delimited. */
function field(number: number, value: string | number | Buffer): Buffer {
  if (typeof value === "number") return Buffer.concat([varint(number << 3), varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

const message = (...fields: Buffer[]) => Buffer.concat(fields);

function body(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const typeMeta = message(field(1, apiVersion), field(2, kind));
  return message(Buffer.from("k8s\0"), field(1, typeMeta), field(2, raw), field(3, ""), field(4, ""));
}

const metadata = field(
  1,
  message(
    field(1, "a"),
    field(2, ""),
    field(7, 0),
    field(8, message()),
    field(11, message(field(1, "app"), field(2, "x"))),
    field(11, message(field(1, "tier"), field(2, ""))),
    field(14, "one"),
    field(14, "two"),
  ),
);

describe("decodeProtobuf", () => {
  it.each([
    {
      name: "a namespace, without what Go sends for unset fields",
      bytes: body("v1", "Namespace", message(metadata, field(2, ""), field(3, field(1, "")))),
      want: {
        apiVersion: "v1",
        kind: "Namespace",
        metadata: { name: "a", labels: { app: "x", tier: "" }, finalizers: ["one", "two"] },
        spec: {},
      },
    },
    {
      name: "a secret, whose bytes become base64",
      bytes: body("v1", "Secret", message(field(2, message(field(1, "k"), field(2, "v"))), field(3, "Opaque"))),
      want: { apiVersion: "v1", kind: "Secret", data: { k: "dg==" }, type: "Opaque" },
    },
    {
      name: "a lease, whose times have microseconds",
      bytes: body(
        "coordination.k8s.io/v1",
        "Lease",
        field(
          2,
          message(
            field(1, "me"),
            field(2, 15),
            field(4, message(field(1, 1_700_000_000), field(2, 1_234_000))),
            field(5, 0),
          ),
        ),
      ),
      want: {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        spec: {
          holderIdentity: "me",
          leaseDurationSeconds: 15,
          renewTime: "2023-11-14T22:13:20.001234Z",
          leaseTransitions: 0,
        },
      },
    },
    {
      name: "a grace period of zero, which means something",
      bytes: body("policy/v1", "Eviction", field(2, field(1, 0))),
      want: { apiVersion: "policy/v1", kind: "Eviction", deleteOptions: { gracePeriodSeconds: 0 } },
    },
  ])("reads $name", ({ bytes, want }) => {
    expect(decodeProtobuf(bytes)).toEqual(want);
  });

  it.each([
    { name: "another kind", bytes: body("apps/v1", "Deployment", metadata) },
    { name: "a field that it does not know", bytes: body("v1", "ConfigMap", field(99, "x")) },
    { name: "a body that breaks off", bytes: body("v1", "ConfigMap", Buffer.from([0x0a, 0x7f])) },
    { name: "something else", bytes: Buffer.from("{}") },
  ])("decodes nothing of $name", ({ bytes }) => {
    expect(decodeProtobuf(bytes)).toBeUndefined();
  });
});
