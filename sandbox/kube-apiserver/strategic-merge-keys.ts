/** Which lists of built-in kinds a strategic merge patch merges (`x-kubernetes-patch-merge-key` of the published OpenAPI). */

export interface GroupKind {
  readonly group: string;
  readonly kind: string;
}

/** Field name → merge key; "" merges a list of plain values as a set. Lists that are not here are replaced. */
const mergeKeys: Readonly<Record<string, string>> = {
  addresses: "type",
  conditions: "type",
  containers: "name",
  env: "name",
  ephemeralContainers: "name",
  finalizers: "",
  hostAliases: "ip",
  hostIPs: "ip",
  imagePullSecrets: "name",
  initContainers: "name",
  matchConditions: "name",
  ownerReferences: "uid",
  podCIDRs: "",
  podIPs: "ip",
  resourceClaims: "name",
  schedulingGates: "name",
  secrets: "name",
  topologySpreadConstraints: "topologyKey",
  volumeDevices: "devicePath",
  volumeMounts: "mountPath",
  volumes: "name",
  webhooks: "name",
};

/** Fields whose name is in the table, but which are replaced in this kind. */
const replaced: Readonly<Record<string, readonly string[]>> = { CustomResourceDefinition: ["conditions"] };

/** The merge key of list `field` in `kind`; "" for a set of plain values, undefined for a list that is replaced. */
export function mergeKeyOf({ kind }: GroupKind, field: string): string | undefined {
  if (field === "ports") return kind === "Service" ? "port" : "containerPort";
  if (replaced[kind]?.includes(field) === true) return undefined;
  return Object.hasOwn(mergeKeys, field) ? mergeKeys[field] : undefined;
}
