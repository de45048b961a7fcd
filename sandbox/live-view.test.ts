import { describe, expect, it } from "@jest/globals";
import { renderLine, renderPicture, type Picture } from "./live-view.ts";

const picture: Picture = {
  elapsedSeconds: 12.4,
  nodes: { trunk: 18, exclusive: 2 },
  pods: { pending: 1, bound: 2, running: 3 },
  places: { inUse: 25, waiting: 7, limit: 100 },
  quotas: [{ api: "AttachNetworkInterface", used: 250, limit: 500 }],
  events: ["AttachENISucceed       Pod db-0: attached"],
};
const barOf = (filled: number): string => "█".repeat(filled) + "░".repeat(30 - filled);

describe("the picture of the sandbox", () => {
  const cases: readonly { readonly name: string; readonly changes: Partial<Picture>; readonly line: string }[] = [
    { name: "the time", changes: {}, line: "  terway-controlplane sandbox   12 s" },
    { name: "nodes by kind", changes: {}, line: "  nodes    18 with a trunk, 2 exclusive" },
    { name: "pods by state", changes: {}, line: `  pods     ${barOf(15)} 3 Running, 2 Bind, 1 Pending` },
    {
      name: "no pods",
      changes: { pods: { pending: 0, bound: 0, running: 0 } },
      line: `  pods     ${barOf(0)} 0 Running, 0 Bind, 0 Pending`,
    },
    { name: "places", changes: {}, line: `  places   ${barOf(8)} 25 of 100 in use, 7 waiting` },
    {
      name: "a single place in use, which is not nothing",
      changes: { places: { inUse: 1, waiting: 0, limit: 100 } },
      line: `  places   ${barOf(1)} 1 of 100 in use, 0 waiting`,
    },
    { name: "calls against their quota", changes: {}, line: `  ${barOf(15)}  250 of 500  AttachNetworkInterface` },
    {
      name: "more calls than their quota",
      changes: { quotas: [{ api: "DeleteNetworkInterface", used: 600, limit: 500 }] },
      line: `  ${barOf(30)}  600 of 500  DeleteNetworkInterface`,
    },
    { name: "the last events", changes: {}, line: "  AttachENISucceed       Pod db-0: attached" },
  ];
  it.each(cases)("shows $name", ({ changes, line }) => {
    expect(renderPicture({ ...picture, ...changes }).split("\n")).toContain(line);
  });
});

describe("the line for a log", () => {
  const cases: readonly { readonly name: string; readonly changes: Partial<Picture>; readonly line: string }[] = [
    {
      name: "pods, places and calls",
      changes: {},
      line: "  12 s  pods: 1 Pending, 2 Bind, 3 Running  places: 25/100  calls this minute: AttachNetworkInterface 250/500",
    },
    {
      name: "no calls",
      changes: { quotas: [] },
      line: "  12 s  pods: 1 Pending, 2 Bind, 3 Running  places: 25/100  calls this minute: none",
    },
    {
      name: "the calls of several APIs",
      changes: {
        quotas: [
          { api: "A", used: 1, limit: 2 },
          { api: "B", used: 3, limit: 4 },
        ],
      },
      line: "  12 s  pods: 1 Pending, 2 Bind, 3 Running  places: 25/100  calls this minute: A 1/2, B 3/4",
    },
  ];
  it.each(cases)("has $name", ({ changes, line }) => {
    expect(renderLine({ ...picture, ...changes })).toBe(line);
  });
});
