import { beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import type { Client } from "./client.ts";
import { aPod } from "./objects.ts";

const gates = [{ name: "example.com/a" }, { name: "example.com/b" }];
const disk = { key: "disk", operator: "Exists" };
const zone = { key: "zone", operator: "In", values: ["a", "b"] };
const required = (...nodeSelectorTerms: object[]) => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } },
});

describeApi("scheduling gates", (api) => {
  let client: Client;
  let pods: string;
  beforeAll(() => {
    client = api.client;
  });
  beforeEach(async () => {
    pods = `${(await client.namespace()).path}/pods`;
  });

  const causesOf = (answer: Awaited<ReturnType<Client["merge"]>>) =>
    (answer.body.details?.causes ?? []).map(({ field }) => field);

  it("are said in the pod's condition from its creation", async () => {
    const created = await client.create(pods, aPod("a", { spec: { schedulingGates: gates } }));
    expect(created["status"]).toMatchObject({
      conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }],
    });
  });

  it("keep a pod from being bound, until the last one is gone", async () => {
    await client.create(pods, aPod("a", { spec: { schedulingGates: gates } }));
    const binding = { apiVersion: "v1", kind: "Binding", metadata: { name: "a" }, target: { kind: "Node", name: "n" } };
    const refused = await client.post(`${pods}/a/binding`, binding);
    expect([refused.status, refused.body.reason]).toEqual([409, "Conflict"]);
    expect(refused.body.message).toContain("has non-empty .spec.schedulingGates");
    expect((await client.merge(`${pods}/a`, { spec: { schedulingGates: gates.slice(1) } })).status).toBe(200);
    expect((await client.post(`${pods}/a/binding`, binding)).status).toBe(409);
    expect((await client.merge(`${pods}/a`, { spec: { schedulingGates: [] } })).status).toBe(200);
    expect((await client.post(`${pods}/a/binding`, binding)).status).toBe(201);
  });

  it("cannot be on a pod that names its node", async () => {
    const { status, body } = await client.post(pods, aPod("a", { spec: { schedulingGates: gates, nodeName: "n" } }));
    expect(status).toBe(422);
    expect(body.message).toContain(
      "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    );
  });

  it("are not added later", async () => {
    await client.create(pods, aPod("a", { spec: { schedulingGates: gates.slice(0, 1) } }));
    const { status, body } = await client.merge(`${pods}/a`, { spec: { schedulingGates: gates } });
    expect(status).toBe(422);
    expect(body.message).toContain("only deletion is allowed, but found new scheduling gate 'example.com/b'");
  });

  describe("let a pod's affinity", () => {
    const both = { matchExpressions: [disk, zone] };
    it.each([
      { name: "appear", before: undefined, after: required({ matchExpressions: [zone] }) },
      {
        name: "get requirements at the end of a term",
        before: required({ matchExpressions: [disk] }),
        after: required(both),
      },
      {
        name: "get requirements in each of its terms",
        before: required(
          { matchExpressions: [disk] },
          { matchFields: [{ key: "metadata.name", operator: "In", values: ["n"] }] },
        ),
        after: required(both, {
          matchFields: [{ key: "metadata.name", operator: "In", values: ["n"] }],
          matchExpressions: [zone],
        }),
      },
      {
        name: "get nothing in a term that matches nothing",
        before: required({}, { matchExpressions: [disk] }),
        after: required({}, both),
      },
      {
        name: "not get anything there",
        before: required({}),
        after: required({ matchExpressions: [zone] }),
        refused: "only additions are allowed (no mutations or deletions)",
      },
      {
        name: "not get requirements at the beginning",
        before: required({ matchExpressions: [disk] }),
        after: required({ matchExpressions: [zone, disk] }),
        refused: "only additions are allowed (no mutations or deletions)",
      },
      {
        name: "not lose one",
        before: required(both),
        after: required({ matchExpressions: [disk] }),
        refused: "only additions are allowed (no mutations or deletions)",
      },
      {
        name: "not get a term",
        before: required(both),
        after: required(both, { matchExpressions: [disk] }),
        refused: "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
      },
    ])("$name", async ({ before, after, refused }) => {
      const spec = { schedulingGates: gates, ...(before && { affinity: before }) };
      await client.create(pods, aPod("a", { spec }));
      const answer = await client.merge(`${pods}/a`, { spec: { affinity: after, schedulingGates: [] } });
      if (refused === undefined) {
        expect(answer.status).toBe(200);
        expect(answer.body.spec).toMatchObject({ affinity: after });
        expect(answer.body.spec).not.toHaveProperty("schedulingGates");
      } else {
        expect(answer.status).toBe(422);
        expect(answer.body.message).toContain(refused);
      }
    });

    it("alone: other parts of the spec stay as they are, and without a gate so does the affinity", async () => {
      await client.create(pods, aPod("a", { spec: { schedulingGates: gates } }));
      const other = await client.merge(`${pods}/a`, {
        spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } }, hostname: "h" },
      });
      expect([other.status, causesOf(other)]).toEqual([422, ["spec"]]);
      await client.create(pods, aPod("b"));
      const ungated = await client.merge(`${pods}/b`, { spec: { affinity: required({ matchExpressions: [zone] }) } });
      expect([ungated.status, causesOf(ungated)]).toEqual([422, ["spec"]]);
    });

    it("and its node selector grow, not shrink", async () => {
      await client.create(pods, aPod("a", { spec: { schedulingGates: gates, nodeSelector: { disk: "ssd" } } }));
      expect((await client.merge(`${pods}/a`, { spec: { nodeSelector: { zone: "a" } } })).status).toBe(200);
      const answer = await client.merge(`${pods}/a`, { spec: { nodeSelector: { disk: null } } });
      expect(answer.status).toBe(422);
      expect(answer.body.message).toContain(
        "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
      );
    });
  });
});
