/** docs/conditions.md names every reason that the code can write, and none that it cannot. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { errorRows, unknownRow } from "../cloud/error-codes.ts";
import { reasons as networkInterface } from "../controllers/network-interface/conditions.ts";
import { reasons as nodeCapacity } from "../controllers/node-capacity/conditions.ts";
import { reasons as node } from "../controllers/node/conditions.ts";
import {
  driftReasons,
  podGoneCondition,
  podPresentCondition,
  reasons as podEni,
} from "../controllers/pod-eni/conditions.ts";
import { gateReasons } from "../controllers/pod/conditions.ts";
import { ambiguousReasons, podsReasons, reasons as podNetworking } from "../controllers/pod-networking/conditions.ts";
import { suspensionReasons } from "../domain/suspension/suspension.ts";

const text = readFileSync(new URL("../docs/conditions.md", import.meta.url), "utf8");

/** Reasons in the first column of the tables under a heading. */
function reasonsUnder(heading: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| <a id="[^"]*"><\/a>`(\w+)`/gm)].map(([, reason]) => reason!);
}

/** Reasons of failed creations that are not the cloud's (controllers/pod-eni/creation.ts). */
const ofCreation = ["Stopping", "InternalError"];

describe("docs/conditions.md", () => {
  it.each([
    {
      kind: "PodNetworking",
      reasons: [podNetworking, podsReasons, ambiguousReasons].flatMap((reasons): string[] => Object.values(reasons)),
    },
    {
      kind: "PodENI",
      reasons: [
        ...Object.values(podEni),
        ...Object.values(driftReasons),
        ...ofCreation,
        podGoneCondition().reason,
        podPresentCondition().reason,
      ],
    },
    { kind: "Pod", reasons: Object.values(gateReasons) },
    { kind: "NetworkInterface", reasons: Object.values(networkInterface) },
    { kind: "Calls that are held back", reasons: Object.values(suspensionReasons) },
    { kind: "Node", reasons: Object.values(node) },
    { kind: "Node, InterfacesReady", reasons: Object.values(nodeCapacity) },
    { kind: "Refused calls", reasons: [...new Set([...errorRows, unknownRow].map(({ reason }) => reason))] },
  ])("has one row for each reason of $kind", ({ kind, reasons }) => {
    expect(reasonsUnder(kind).sort()).toEqual([...reasons].sort());
  });

  it("has an anchor for each row, and no anchor twice", () => {
    const anchors = [...text.matchAll(/<a id="([^"]*)">/g)].map(([, anchor]) => anchor!);
    expect(new Set(anchors).size).toBe(anchors.length);
    for (const [, anchor, reason] of text.matchAll(/<a id="[a-z]+-([^"]*)"><\/a>`(\w+)`/g)) {
      expect(anchor).toBe(reason!.toLowerCase());
    }
  });
});
