/** What the installed roles allow, by the rules of Kubernetes RBAC. */
import { find, readFiles, type Manifest } from "./manifests.ts";

/** One request to the API server as RBAC sees it. */
export interface Call {
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  /** Plural, with the subresource: `podenis/status`. */
  readonly resource: string;
  /** Empty for cluster-scoped objects and for all namespaces. */
  readonly namespace: string;
  /** Empty for collections, and for `create`, whose name RBAC does not know. */
  readonly name: string;
}

/** One rule of a role that is bound to the program. */
export interface Rule {
  readonly role: string;
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  /** Absent: every name. */
  readonly resourceNames?: readonly string[];
  /** Undefined: everywhere, cluster-scoped objects included. */
  readonly namespace: string | undefined;
}

interface Binding extends Manifest {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[];
}

type RuleOfRole = Omit<Rule, "role" | "namespace">;

const account = { kind: "ServiceAccount", name: "terway-controlplane", namespace: "kube-system" };

/** The manifests that give the program its rights. */
export function roleManifests(): readonly Manifest[] {
  const files = ["service-account", "cluster-role", "roles", "bindings"];
  return readFiles(...files.map((name) => `config/rbac/${name}.yaml`));
}

/** Every rule that a binding among the manifests gives to the program's service account. @default those of config/rbac */
export function rulesOf(manifests: readonly Manifest[] = roleManifests()): readonly Rule[] {
  return manifests.filter(isBinding).flatMap((binding) => {
    if (!binding.subjects.some((subject) => isSame(subject, account))) return [];
    const role = find(manifests, binding.roleRef.kind, binding.roleRef.name);
    // A ClusterRole that a RoleBinding gives is limited to the namespace of the binding.
    const namespace = binding.kind === "RoleBinding" ? binding.metadata.namespace : undefined;
    const rules = role["rules"] as readonly RuleOfRole[];
    return rules.map((rule) => ({ ...rule, role: `${role.kind} ${role.metadata.name}`, namespace }));
  });
}

/** True when one of the rules allows the call. */
export function allows(rules: readonly Rule[], call: Call): boolean {
  return rules.some((rule) => ruleAllows(rule, call));
}

/** Source: k8s.io/kubernetes plugin/pkg/auth/authorizer/rbac, `RuleAllows`. The roles here use no wildcard. */
export function ruleAllows(rule: Rule, call: Call): boolean {
  return (
    (rule.namespace === undefined || rule.namespace === call.namespace) &&
    rule.apiGroups.includes(call.group) &&
    rule.resources.includes(call.resource) &&
    rule.verbs.includes(call.verb) &&
    (rule.resourceNames === undefined || rule.resourceNames.includes(call.name))
  );
}

/** Every single permission of a rule, as the call that needs no more than it. */
export function permissionsOf(rule: Rule): readonly Call[] {
  return rule.apiGroups.flatMap((group) =>
    rule.resources.flatMap((resource) =>
      rule.verbs.flatMap((verb) =>
        (rule.resourceNames ?? [""]).map((name) => ({ verb, group, resource, name, namespace: rule.namespace ?? "" })),
      ),
    ),
  );
}

/** `get secrets kube-system/a`, `list pods`, `patch podenis.network.alibabacloud.com/status`. */
export function describeCall({ verb, group, resource, namespace, name }: Call): string {
  const [plural = "", subresource] = resource.split("/");
  const kind = `${plural}${group === "" ? "" : `.${group}`}${subresource === undefined ? "" : `/${subresource}`}`;
  return [verb, kind, [namespace, name].filter((part) => part !== "").join("/")].join(" ").trim();
}

function isBinding(manifest: Manifest): manifest is Binding {
  return manifest.kind === "ClusterRoleBinding" || manifest.kind === "RoleBinding";
}

function isSame(subject: Binding["subjects"][number], other: typeof account): boolean {
  return subject.kind === other.kind && subject.name === other.name && subject.namespace === other.namespace;
}
