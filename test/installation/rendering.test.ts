import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parse, stringify } from "yaml";
import { find, root, type Manifest } from "./manifests.ts";
import { helmLint, helmTemplate, kustomize, whyNoRendering } from "./tools.ts";

const missing = whyNoRendering();
const suite = missing === undefined ? describe : describe.skip;
const cluster = { regionID: "cn-hangzhou", clusterID: "c-1", vpcID: "vpc-1" };

suite(`kustomize and helm${missing === undefined ? "" : ` (${missing})`}`, () => {
  let folder: string;

  beforeAll(() => {
    // Below the root: a kustomization names others by relative paths.
    folder = mkdtempSync(join(tmpdir(), "terway-rendering-"));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const values = (changes: object = {}): string => {
    const path = join(folder, "values.yaml");
    writeFileSync(path, stringify({ ...cluster, ...changes }));
    return path;
  };

  /** What docs/installation.md tells users to write, with components. */
  const overlay = (components: readonly string[] = []): readonly Manifest[] => {
    const path = join(folder, "overlay");
    mkdirSync(path, { recursive: true });
    const config = parse(stringify(configOf(kustomize("config/manager")))) as object;
    writeFileSync(join(path, "ctrl-config.yaml"), stringify({ ...config, ...cluster }));
    const base = relative(path, join(root, "config"));
    writeFileSync(
      join(path, "kustomization.yaml"),
      stringify({
        resources: [`${base}/default`],
        components: components.map((name) => `${base}/components/${name}`),
        configMapGenerator: [
          { name: "terway-controlplane", namespace: "kube-system", behavior: "merge", files: ["ctrl-config.yaml"] },
        ],
        generatorOptions: { disableNameSuffixHash: true },
      }),
    );
    return kustomize(path);
  };

  it("render to the same objects", () => {
    expect(comparable(helmTemplate(values()))).toEqual(comparable(overlay()));
  });

  it("render to the same objects with everything that can be added", () => {
    const all = values({ serviceMonitor: { enabled: true }, networkPolicy: { enabled: true }, hostNetwork: false });
    expect(comparable(helmTemplate(all))).toEqual(comparable(overlay(["monitoring", "network-policy"])));
  });

  const installations: readonly { readonly tool: string; readonly render: () => readonly Manifest[] }[] = [
    { tool: "kustomize", render: () => kustomize("config/default") },
    { tool: "helm", render: () => helmTemplate(values()) },
  ];

  it.each(installations)("$tool: two replicas on two machines, of which a drain takes one at a time", ({ render }) => {
    const objects = render();
    const { spec } = find(objects, "Deployment") as unknown as Deployment;
    const selector = { matchLabels: { "k8s-app": "terway-controlplane" } };
    expect(spec).toMatchObject({ replicas: 2, selector, strategy: { rollingUpdate: { maxUnavailable: 1 } } });
    expect(spec.template.metadata.labels).toMatchObject(selector.matchLabels);
    expect(spec.template.spec.affinity).toMatchObject({
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: "kubernetes.io/hostname", labelSelector: selector },
        ],
      },
    });
    expect(find(objects, "PodDisruptionBudget")["spec"]).toMatchObject({ maxUnavailable: 1, selector });
  });

  it.each(installations)(
    "$tool: no privileges, a root that cannot be written, and bounds of what it uses",
    ({ render }) => {
      const { spec } = find(render(), "Deployment") as unknown as Deployment;
      const { securityContext, containers } = spec.template.spec;
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      expect(containers).toHaveLength(1);
      expect(containers[0]).toMatchObject({
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        },
        resources: { requests: { cpu: "200m", memory: "512Mi" }, limits: { memory: "2Gi" } },
      });
    },
  );

  it("the chart has nothing that helm finds fault with", () => {
    expect(helmLint(values())).toContain("0 chart(s) failed");
  });

  it.each([
    { why: "without a cluster", changes: { clusterID: "" }, words: /clusterID is required/ },
    { why: "without a VPC", changes: { vpcID: "" }, words: /vpcID is required/ },
    { why: "with an unknown value", changes: { replicsa: 3 }, words: /replicsa/ },
    { why: "with a policy that has no effect", changes: { networkPolicy: { enabled: true } }, words: /hostNetwork/ },
    { why: "with an unknown failure policy", changes: { webhook: { failurePolicy: "Maybe" } }, words: /failurePolicy/ },
  ])("the chart refuses to render $why", ({ changes, words }) => {
    expect(() => helmTemplate(values(changes))).toThrow(words);
  });

  it("the chart's values reach the objects that they are about", () => {
    const objects = helmTemplate(
      values({
        image: { repository: "example.invalid/cp", tag: "9" },
        credential: { accessKey: "a", accessSecret: "b" },
        replicas: 3,
        resources: { limits: { memory: "4Gi" } },
        controllers: ["*"],
        customStatefulWorkloadKinds: ["CloneSet"],
        config: { eniMaxConcurrent: 7, kubeClientQPS: 9 },
        logLevel: 4,
        webhook: { failurePolicy: "Fail", timeoutSeconds: 5 },
        env: { ALIBABA_CLOUD_ROLE_ARN: "r" },
      }),
    );
    expect(configOf(objects)).toMatchObject({
      ...cluster,
      controllers: ["*"],
      customStatefulWorkloadKinds: ["CloneSet"],
      eniMaxConcurrent: 7,
      kubeClientQPS: 9,
    });
    expect(secretOf(objects)).toEqual({ accessKey: "a", accessSecret: "b" });
    expect(find(objects, "Deployment")["spec"]).toMatchObject({
      replicas: 3,
      template: {
        spec: {
          containers: [
            {
              image: "example.invalid/cp:9",
              args: ["-v", "4"],
              resources: { limits: { memory: "4Gi" } },
              env: expect.arrayContaining([{ name: "ALIBABA_CLOUD_ROLE_ARN", value: "r" }]),
            },
          ],
        },
      },
    });
    expect(find(objects, "MutatingWebhookConfiguration")["webhooks"]).toMatchObject([
      { failurePolicy: "Fail", timeoutSeconds: 5 },
    ]);
    expect(find(objects, "ValidatingWebhookConfiguration")["webhooks"]).toMatchObject([
      { failurePolicy: "Fail", timeoutSeconds: 5 },
      { failurePolicy: "Ignore", timeoutSeconds: 3 },
    ]);
    const policy = find(objects, "ValidatingAdmissionPolicy", "terway-controlplane-pods")["spec"];
    expect(policy).toMatchObject({
      variables: expect.arrayContaining([{ name: "fixedNameKinds", expression: "['StatefulSet','CloneSet']" }]),
    });
  });

  it("a Secret of one's own takes the place of the chart's", () => {
    const objects = helmTemplate(values({ existingSecret: "mine" }));
    expect(objects.filter(({ kind }) => kind === "Secret")).toEqual([]);
    expect(find(objects, "Deployment")["spec"]).toMatchObject({
      template: {
        spec: {
          volumes: expect.arrayContaining([
            expect.objectContaining({ secret: expect.objectContaining({ secretName: "mine" }) as object }),
          ]),
        },
      },
    });
  });

  it("in another namespace all is there but the role for eni-config", () => {
    const objects = helmTemplate(values(), "network");
    const inKubeSystem = objects.filter(({ metadata }) => metadata.namespace === "kube-system");
    expect(inKubeSystem.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
      "Role terway-controlplane-eni-config",
      "RoleBinding terway-controlplane-eni-config",
    ]);
    expect(configOf(objects)["controllerNamespace"]).toBe("network");
    expect(find(objects, "MutatingWebhookConfiguration")["webhooks"]).toMatchObject([
      { clientConfig: { service: { namespace: "network" } } },
    ]);
  });
});

/** Members of the Deployment that are looked at one by one. */
interface Deployment {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly affinity: object;
        readonly securityContext: object;
        readonly containers: readonly object[];
      };
    };
  };
}

function configOf(objects: readonly Manifest[]): Readonly<Record<string, unknown>> {
  const { data } = find(objects, "ConfigMap") as unknown as { readonly data: Readonly<Record<string, string>> };
  return parse(data["ctrl-config.yaml"] ?? "") as Readonly<Record<string, unknown>>;
}

function secretOf(objects: readonly Manifest[]): unknown {
  const { data } = find(objects, "Secret") as unknown as { readonly data: Readonly<Record<string, string>> };
  return parse(Buffer.from(data["ctrl-secret.yaml"] ?? "", "base64").toString("utf8"));
}

/** By kind, namespace and name; files in them decoded, and without the checksums by which the chart restarts pods. */
function comparable(objects: readonly Manifest[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    objects.map((object) => {
      const { kind, metadata } = object;
      const key = `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
      if (kind === "ConfigMap") return [key, { ...object, data: configOf([object]) }];
      if (kind === "Secret") return [key, { ...object, data: secretOf([object]) }];
      return [key, kind === "Deployment" ? withoutChecksums(object) : object];
    }),
  );
}

function withoutChecksums(object: Manifest): unknown {
  return JSON.parse(
    JSON.stringify(object, (key, value: unknown) => {
      if (key !== "annotations" || typeof value !== "object" || value === null) return value;
      const kept = Object.entries(value).filter(([name]) => !name.startsWith("checksum/"));
      return kept.length === 0 ? undefined : Object.fromEntries(kept);
    }),
  ) as unknown;
}
