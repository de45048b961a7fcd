import type { Clock, Random } from "../../runtime/ports.ts";
import type { Transport } from "../../runtime/transport.ts";
import { WebhookAdmission } from "./admission.ts";
import { builtInKinds } from "./built-in-kinds.ts";
import { Collector } from "./collector.ts";
import { CrdServer } from "./crds.ts";
import { Deleter } from "./deleter.ts";
import { listenHttps, type Listening, type ListenOptions } from "./https-listener.ts";
import { InProcessTransport } from "./in-process-transport.ts";
import { KindRegistry } from "./kinds.ts";
import { toUid } from "./metadata.ts";
import { Reader } from "./reader.ts";
import { RequestCounter } from "./request-counter.ts";
import { RequestHandler } from "./request-handler.ts";
import type { UserInfo } from "./request.ts";
import { ResourceHandler } from "./resource-handler.ts";
import { Store } from "./store.ts";
import { Watcher } from "./watcher.ts";
import { HttpsWebhookCaller, type ServiceResolver, type WebhookCaller } from "./webhook-caller.ts";
import { Writer } from "./writer.ts";

/** How to make an API server. */
export interface ApiServerOptions {
  readonly clock: Clock;
  /** For uids, generated names and watch timeouts. @default Math.random */
  readonly random?: Random;
  /** Changes per resource that a watch can catch up on; older is 410 Expired. @default 10_000 */
  readonly watchLogSize?: number;
  /** Where the services that webhook configurations name can be reached. Unknown services fail the call. */
  readonly resolveService?: ServiceResolver;
  /** Replaces HTTPS for webhook calls, for simulations without sockets. */
  readonly webhookCaller?: WebhookCaller;
}

/** Counts since the start. */
export interface ApiServerStats {
  /** By `verb resource`, for instance `list pods` or `patch podenis/status`. */
  readonly requests: Readonly<Record<string, number>>;
  /** The newest resourceVersion. Each committed write raises it by one. */
  readonly revision: number;
  /** Objects by resource (`podenis.network.alibabacloud.com`, `pods`). */
  readonly objects: Readonly<Record<string, number>>;
}

/** A small Kubernetes API server, in memory. */
export interface ApiServer {
  /** In-process access. Bodies are copied both ways, so the store cannot be changed from outside. */
  transport(user?: UserInfo): Transport;
  /** Starts an HTTPS listener for kubectl and other processes. */
  listen(options: ListenOptions): Promise<Listening>;
  stats(): ApiServerStats;
  /** Committed writes since a version that {@link ApiServerStats.revision} gave: 0 means that nothing changed. */
  writesSince(revision: number): number;
  /** Forgets old versions: watches and `continue` pages from before get 410 Expired. */
  compact(): void;
  /** Ends background work and webhook connections. Listeners are closed by their own `close`. */
  close(): void;
}

const administrator: UserInfo = { name: "system:admin", groups: ["system:masters", "system:authenticated"] };

/** Makes an API server with the namespaces that every cluster has. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { clock, random = Math.random } = options;
  const nowMs = () => clock.now();
  const store = new Store(options.watchLogSize ?? 10_000);
  const registry = new KindRegistry(builtInKinds);
  const webhooks = new HttpsWebhookCaller(options.resolveService ?? (() => undefined));
  const caller = options.webhookCaller ?? webhooks;
  const admission = new WebhookAdmission({ store, caller, random, newUid: () => toUid(random) });
  const writeDeps = { store, admission, nowMs, random };
  const writer = new Writer(writeDeps);
  const deleter = new Deleter(writeDeps, writer);
  new CrdServer({ store, registry, nowMs });
  const collector = new Collector({ store, registry, writer, deleter, clock });
  const reader = new Reader(store);
  const watcher = new Watcher({ store, clock, random });
  const counter = new RequestCounter();
  const resources = new ResourceHandler({ store, reader, watcher, writer, deleter, nowMs });
  const handler = new RequestHandler({ registry, resources, counter });
  writer.seedNamespaces(["default", "kube-system", "kube-public", "kube-node-lease"], registry);
  return {
    transport: (user = administrator) => new InProcessTransport(handler, user),
    listen: (listenOptions) => listenHttps(handler, listenOptions),
    stats: () => ({ requests: counter.counts(), revision: store.revision, objects: countObjects(store) }),
    writesSince: (revision) => store.revision - revision,
    compact: () => {
      store.compact();
    },
    close: () => {
      collector.close();
      webhooks.close();
    },
  };
}

function countObjects(store: Store): Record<string, number> {
  const entries = store.tables().map(([storage, table]) => {
    const [group = "", plural = ""] = storage.split("/");
    return [group === "" ? plural : `${plural}.${group}`, table.size] as const;
  });
  return Object.fromEntries(entries.filter(([, size]) => size > 0));
}
