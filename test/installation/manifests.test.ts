import { describe, expect, it } from "@jest/globals";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { loadConfig } from "../../cmd/config.ts";
import { staleCopies } from "../../hack/render-config.ts";
import { webhookConfigurations } from "../../webhook/configurations.ts";
import { find, readFiles, root } from "./manifests.ts";

interface Container {
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string }[];
  readonly ports: readonly { readonly containerPort: number }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
}

interface PodSpec {
  readonly hostNetwork: boolean;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[];
}

const deployment = find(readFiles("config/manager/deployment.yaml"), "Deployment")["spec"] as {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
};
const { spec: pod, metadata } = deployment.template;
const [container] = pod.containers;
const [configFile] = readFiles("config/manager/ctrl-config.yaml") as readonly unknown[] as readonly [
  Readonly<Record<string, unknown>>,
];

describe("the webhook configurations", () => {
  it("are those of the program", () => {
    const { mutating, validating } = webhookConfigurations({
      controllerName: "terway-controlplane",
      target: { type: "service", namespace: "kube-system" },
    });
    expect(readFiles("config/webhook/configurations.yaml")).toEqual([mutating, validating]);
  });

  it("lead to the port of the program", () => {
    const service = find(readFiles("config/manager/service.yaml"), "Service")["spec"];
    expect(service).toEqual({
      selector: deployment.selector.matchLabels,
      ports: [{ name: "webhook", port: 443, targetPort: configFile["webhookPort"] }],
    });
  });
});

describe("the configuration file", () => {
  const load = (changes: object) => {
    const folder = mkdtempSync(join(tmpdir(), "terway-installed-"));
    const configPath = join(folder, "config.yaml");
    writeFileSync(configPath, stringify({ ...configFile, ...changes }));
    const credentialPath = join(root, "config/manager/ctrl-secret.yaml");
    try {
      return loadConfig({ configPath, credentialPath, env: {} });
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it("is complete and without a warning once the cluster is filled in", () => {
    const { config, credential, warnings } = load({ clusterID: "c-1", vpcID: "vpc-1" });
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      leaderElection: true,
      leaseDurationMs: 6_000,
      controllerName: "terway-controlplane",
    });
    expect(credential.accessKey).toBe("");
  });

  it("makes the program end with what is to be filled in", () => {
    expect(() => load({})).toThrow(/clusterID.*is required[\s\S]*vpcID.*is required/);
  });

  it("uses the ports, the folder and the namespace of the Deployment", () => {
    const portOf = (key: string): number => Number(String(configFile[key]).split(":").at(-1));
    const ports = [portOf("webhookPort"), portOf("healthzBindAddress"), portOf("metricsBindAddress")];
    expect(container.ports.map(({ containerPort }) => containerPort)).toEqual(ports);
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toContain(configFile["certDir"]);
    expect(configFile["controllerNamespace"]).toBe("kube-system");
  });
});

describe("the Deployment", () => {
  it("runs without privileges", () => {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("can write where the program writes, and nowhere else", () => {
    const writable = pod.volumes.filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name);
    const paths = container.volumeMounts
      .filter(({ name }) => writable.includes(name))
      .map(({ mountPath }) => mountPath);
    expect(paths).toEqual(["/var/run/webhook-cert", "/tmp"]);
  });

  it("is left alone by planes that select every pod", () => {
    expect(metadata.labels["k8s.aliyun.com/ignore-by-terway"]).toBe("true");
  });

  it("tells the program its names, as published", () => {
    expect(container.env.map(({ name }) => name)).toEqual(["K8S_POD_NAME", "K8S_NODE_NAME", "MY_POD_IP"]);
  });
});

describe("the chart", () => {
  it("has the same roles, policies, webhook configurations and custom resources as config/", () => {
    expect(staleCopies()).toEqual([]);
  });
});

describe("config/crd", () => {
  it("names every custom resource definition", () => {
    const listed = readFiles("crds/kustomization.yml")[0]!["resources"] as readonly string[];
    const chart = readFiles(...listed.map((name) => `crds/${name}`)).map(({ metadata: { name } }) => name);
    expect(chart.sort()).toEqual(
      ["networkinterfaces", "noderuntimes", "nodes", "podenis", "podnetworkings"].map(
        (plural) => `${plural}.network.alibabacloud.com`,
      ),
    );
  });
});
