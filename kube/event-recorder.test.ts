import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import FakeTimers from "@sinonjs/fake-timers";
import fc from "../test/fixtures/property.ts";
import { systemClock } from "../runtime/clock.ts";
import { FencedError } from "../runtime/errors.ts";
import type { Logger, Recorder } from "../runtime/ports.ts";
import type { Transport, TransportRequest, TransportResponse } from "../runtime/transport.ts";
import { cutNote, maxNoteBytes } from "./event-note.ts";
import { EventRecorder, type DropReason } from "./event-recorder.ts";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

const failed: Parameters<Recorder["event"]>[0] = {
  regarding: { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "web-0", uid: "u1" },
  type: "Warning",
  reason: "AttachENIFailed",
  action: "AttachENI",
  note: "no slot",
};

let clock: FakeTimers.Clock;
beforeEach(() => {
  clock = FakeTimers.install({ now: Date.parse("2026-01-01T00:00:00Z") });
});
afterEach(() => clock.uninstall());

/** A recorder on a transport that keeps what it is asked; `answer` decides, by default success. */
function recorder(answer: (request: TransportRequest) => TransportResponse | Promise<TransportResponse> = created) {
  const requests: TransportRequest[] = [];
  const dropped: DropReason[] = [];
  const transport: Transport = {
    request: (request) => {
      requests.push(request);
      return Promise.resolve(answer(request));
    },
    stream: () => Promise.reject(new Error("not expected")),
  };
  const options = { transport, clock: systemClock, random: () => 0.5, log: silent, instance: "replica-0" };
  const events = new EventRecorder({ ...options, onDropped: (why) => dropped.push(why) });
  return { events, requests, dropped, options };
}

function created(): TransportResponse {
  return { status: 200, headers: {}, body: { metadata: {} } };
}

const settle = () => clock.tickAsync(0);

describe("event recorder", () => {
  it("writes events.k8s.io/v1 beside its object", async () => {
    const { events, requests } = recorder();
    events.forController("eni").event(failed);
    await settle();
    expect(requests).toMatchObject([
      {
        method: "POST",
        path: "/apis/events.k8s.io/v1/namespaces/shop/events?fieldManager=terway-controlplane",
        body: {
          apiVersion: "events.k8s.io/v1",
          kind: "Event",
          metadata: { name: expect.stringMatching(/^web-0\.[a-z0-9-]+$/), namespace: "shop" },
          eventTime: "2026-01-01T00:00:00.000000Z",
          reportingController: "terway-controlplane/eni",
          reportingInstance: "replica-0",
          ...failed,
        },
      },
    ]);
    expect(requests[0]!.body).not.toHaveProperty("series");
  });

  it("puts events of cluster-scoped objects into namespace default", async () => {
    const { events, requests } = recorder();
    events.event({ ...failed, regarding: { apiVersion: "v1", kind: "Node", name: "n1" } });
    await settle();
    expect(requests[0]!.path).toContain("/namespaces/default/events");
  });

  it("tells repetitions as one series, at most every 30 s, and is quiet afterwards", async () => {
    const { events, requests } = recorder();
    for (let second = 0; second < 60; second += 1) {
      events.event(failed);
      await clock.tickAsync(1000);
    }
    expect(requests.map(({ method }) => method)).toEqual(["POST", "PATCH", "PATCH"]);
    expect(requests[1]).toMatchObject({
      path: expect.stringContaining("/namespaces/shop/events/web-0."),
      body: { series: { count: 30, lastObservedTime: "2026-01-01T00:00:29.000000Z" } },
    });
    await clock.tickAsync(3_600_000);
    expect(requests).toHaveLength(3);
    expect(requests[2]!.body).toMatchObject({ series: { count: 60 } });
  });

  it("starts a new event after ten quiet minutes, and for another note", async () => {
    const { events, requests } = recorder();
    events.event(failed);
    events.event({ ...failed, note: "another" });
    await clock.tickAsync(10 * 60_000);
    events.event(failed);
    await settle();
    expect(requests.map(({ method }) => method)).toEqual(["POST", "POST", "POST"]);
    const names = requests.map(({ body }) => (body as { metadata: { name: string } }).metadata.name);
    expect(new Set(names).size).toBe(3);
  });

  it("writes a series anew when its event has expired at the server", async () => {
    const { events, requests } = recorder(({ method }) =>
      method === "PATCH" ? { status: 404, headers: {}, body: { reason: "NotFound" } } : created(),
    );
    events.event(failed);
    await clock.tickAsync(40_000);
    events.event(failed);
    await settle();
    expect(requests.map(({ method }) => method)).toEqual(["POST", "PATCH", "POST"]);
    expect(requests[2]!.body).toMatchObject({ series: { count: 2 } });
  });

  it("repeats a failed write three times, then lets it go", async () => {
    const { events, requests, dropped } = recorder(() => ({ status: 500, headers: {}, body: {} }));
    events.event(failed);
    await clock.tickAsync(60_000);
    expect(requests).toHaveLength(3);
    expect(dropped).toEqual(["refused"]);
  });

  it("keeps at most 1000 waiting and counts the others", async () => {
    const { events, requests, dropped } = recorder(() => new Promise(() => undefined));
    for (let i = 0; i < 1100; i += 1) events.event({ ...failed, note: `note ${i}` });
    await settle();
    expect(requests).toHaveLength(1);
    expect(dropped).toHaveLength(1100 - 1000 - 1);
    expect(new Set(dropped)).toEqual(new Set(["queue-full"]));
  });

  it("writes nothing without the lease, and nothing after stop", async () => {
    const { requests, dropped, options } = recorder();
    const fence = {
      assertHeld: () => {
        throw new FencedError();
      },
    };
    const fenced = new EventRecorder({ ...options, fence, onDropped: (why) => dropped.push(why) });
    fenced.event(failed);
    await settle();
    await fenced.stop();
    fenced.event(failed);
    await settle();
    expect(requests).toHaveLength(0);
    expect(dropped).toEqual(["fenced", "stopped"]);
  });

  it("stop does not wait for the next update of a series", async () => {
    const { events, requests, dropped } = recorder();
    events.event(failed);
    await settle();
    events.event(failed);
    await events.stop();
    await clock.tickAsync(60_000);
    expect(requests).toHaveLength(1);
    expect(dropped).toEqual(["stopped"]);
  });
});

describe("notes", () => {
  it("fit the API server's limit, stay whole characters, and short ones are untouched", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 1200 }), (note) => {
        const cut = cutNote(note);
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(maxNoteBytes);
        // Half a surrogate pair would come back as a replacement character.
        expect(Buffer.from(cut).toString()).toBe(cut);
        if (Buffer.byteLength(note) <= maxNoteBytes) expect(cut).toBe(note);
        else expect(note.startsWith(cut.slice(0, -1))).toBe(true);
      }),
    );
  });

  it("that are too long end with an ellipsis", () => {
    expect(cutNote("abcdef", 5)).toBe("ab…");
    expect(cutNote("a🙂🙂", 8)).toBe("a🙂…");
  });
});
