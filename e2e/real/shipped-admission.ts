/** The admission that an installation sets up, for worlds that must not have the stricter one of the other suites. */
import type { InstallAdmission } from "../../cmd/sandbox-world.ts";
import { apply } from "../../sandbox/apply.ts";
import type { Manifest } from "../../test/installation/manifests.ts";
import { kustomize } from "../../test/installation/tools.ts";

interface Webhook {
  readonly clientConfig: { readonly service: { readonly port: number } };
}

/** Option `installAdmission` of a sandbox: the CRDs, webhook configurations and policies of `config/default`. */
export const installShippedAdmission: InstallAdmission = async (transport, port) => {
  const manifests = kustomize("config/default");
  const ofKinds = (prefix: string): readonly Manifest[] => manifests.filter(({ kind }) => kind.startsWith(prefix));
  // A policy has a PodNetworking as its parameter.
  for (const manifest of ofKinds("CustomResourceDefinition")) await apply(transport, manifest);
  for (const manifest of ofKinds("ValidatingAdmissionPolicy")) await apply(transport, manifest);
  for (const kind of ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"])
    for (const manifest of ofKinds(kind)) await apply(transport, servedAt(manifest, port));
};

/** The same configuration with the port at which the Service is served here; nothing else differs. */
function servedAt(manifest: Manifest, port: number): Manifest {
  const webhooks = (manifest["webhooks"] as readonly Webhook[]).map((webhook) => ({
    ...webhook,
    clientConfig: { ...webhook.clientConfig, service: { ...webhook.clientConfig.service, port } },
  }));
  return { ...manifest, webhooks };
}
