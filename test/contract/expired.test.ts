import { describe, expect, it } from "@jest/globals";
import { describeApi } from "./api.ts";
import { versionOf, type Answer } from "./client.ts";
import { aPod } from "./objects.ts";

/** A real API server that compacts every second and keeps nothing in memory, so that old versions go soon. */
const flags = { apiServerFlags: ["--etcd-compaction-interval=1s", "--watch-cache=false"] };

describeApi(
  "old versions",
  (api) => {
    const continueOf = ({ body }: Answer) => encodeURIComponent(String(body.metadata?.["continue"]));

    /** Writes until the version is gone. */
    async function untilExpired(path: string, probe: string): Promise<Answer> {
      await api.client.merge(`${path}/a`, {
        metadata: { labels: { again: versionOf((await api.client.get(path)).body) } },
      });
      api.compact();
      return api.client.eventually(probe, ({ status }) => status === 410);
    }

    async function threePods(): Promise<string> {
      const { path } = await api.client.namespace();
      for (const name of ["a", "b", "c"]) await api.client.create(`${path}/pods`, aPod(name));
      return `${path}/pods`;
    }

    describe("are 410", () => {
      it("for a later page of a list, which can be continued at the newest version", async () => {
        const pods = await threePods();
        const first = await api.client.get(`${pods}?limit=1`);
        const { body } = await untilExpired(pods, `${pods}?limit=1&continue=${continueOf(first)}`);
        expect(body).toMatchObject({ kind: "Status", status: "Failure", reason: "Expired", code: 410 });
        expect(body.message).toMatch(
          /^The provided continue parameter is too old to display a consistent list result\. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results/,
        );
        const token = encodeURIComponent(String(body.metadata?.["continue"]));
        const rest = await api.client.get(`${pods}?limit=5&continue=${token}`);
        expect(rest.body.items?.map(({ metadata }) => metadata?.name)).toEqual(["b", "c"]);
      });

      it("for a list of exactly that version", async () => {
        const pods = await threePods();
        const version = versionOf((await api.client.get(pods)).body);
        const { body } = await untilExpired(pods, `${pods}?resourceVersion=${version}&resourceVersionMatch=Exact`);
        expect(body).toMatchObject({ reason: "Expired", code: 410 });
        expect(body.message).toContain("The resourceVersion for the provided list is too old.");
      });

      it("for a watch, as an ERROR event", async () => {
        const pods = await threePods();
        const version = versionOf((await api.client.get(pods)).body);
        await untilExpired(pods, `${pods}?resourceVersion=${version}&resourceVersionMatch=Exact`);
        const lines = await api.client.watch(`${pods}?watch=1&resourceVersion=${version}`);
        expect(lines).toMatchObject([{ type: "ERROR", object: { code: 410, reason: "Expired" } }]);
        expect(lines[0]?.object.message).toMatch(
          /too old resource version|resourceVersion for the provided watch is too old/,
        );
      });
    });

    it("do not keep a list or a get from succeeding", async () => {
      const pods = await threePods();
      const version = versionOf((await api.client.get(pods)).body);
      await untilExpired(pods, `${pods}?resourceVersion=${version}&resourceVersionMatch=Exact`);
      expect((await api.client.get(`${pods}?resourceVersion=${version}`)).status).toBe(200);
      expect((await api.client.get(`${pods}/b`)).status).toBe(200);
    });
  },
  flags,
);
