#!/usr/bin/env bash
# The installation in a kind cluster with a simulated cloud on this machine: builds the image, installs config/default, and
# shows that a pod gets an interface. Needs Docker, kind, kubectl and Node 24. See README.md beside this file.
#
#   e2e/kind/kind.sh [up]     makes the cluster, or goes on where it was
#   e2e/kind/kind.sh down     removes it and ends the simulated cloud
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cluster=terway
port=${CLOUD_PORT:-7780}
state=${TMPDIR:-/tmp}/terway-kind
image=terway-controlplane:$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
export KUBECONFIG=$state/kubeconfig

fail() {
  echo "kind.sh: $*" >&2
  exit 1
}

down() {
  if [[ -f $state/cloud.pid ]]; then kill "$(cat "$state/cloud.pid")" 2>/dev/null || true; fi
  kind delete cluster --name "$cluster"
  rm -rf "$state"
}

start_cloud() {
  if [[ -f $state/cloud.pid ]] && kill -0 "$(cat "$state/cloud.pid")" 2>/dev/null; then return; fi
  # On all addresses: the nodes reach it through Docker's bridge.
  node e2e/kind/cloud.ts 0.0.0.0 "$port" 3 >"$state/machines.json" 2>"$state/cloud.log" &
  echo $! >"$state/cloud.pid"
  for _ in $(seq 50); do
    if [[ -s $state/machines.json ]]; then return; fi
    sleep 0.1
  done
  fail "the simulated cloud did not start: $(cat "$state/cloud.log")"
}

# A node's provider id cannot be changed later, so the kubelets are told which machine of the cloud they are.
create_cluster() {
  if kind get clusters 2>/dev/null | grep -qx "$cluster"; then return; fi
  {
    printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n'
    for number in 1 2; do
      cat <<YAML
  - role: worker
    kubeadmConfigPatches:
      - |
        kind: JoinConfiguration
        nodeRegistration:
          kubeletExtraArgs:
            provider-id: cn-hangzhou.i-sandbox000$number
YAML
    done
  } | kind create cluster --name "$cluster" --kubeconfig "$KUBECONFIG" --config -
}

# What the node daemon and the cloud controller manager do in a real cluster.
prepare_nodes() {
  local node instance zone trunk
  for node in "$cluster-worker" "$cluster-worker2"; do
    instance=$(kubectl get node "$node" -o 'jsonpath={.spec.providerID}')
    instance=${instance#cn-hangzhou.}
    read -r zone trunk < <(
      node -e 'const [file, id] = process.argv.slice(1);
        const machine = JSON.parse(require("fs").readFileSync(file, "utf8")).find((one) => one.instanceId === id) ?? {};
        console.log(machine.zone ?? "", machine.trunkEniId ?? "");' "$state/machines.json" "$instance"
    )
    if [[ -z $trunk ]]; then fail "$node is machine '$instance', which the simulated cloud does not know with a trunk"; fi
    kubectl label node "$node" --overwrite "topology.kubernetes.io/zone=$zone" topology.kubernetes.io/region=cn-hangzhou
    kubectl annotate node "$node" --overwrite "k8s.aliyun.com/trunk-on=$trunk"
    kubectl patch node "$node" --subresource status --type merge --patch '{"status":{"capacity":{"aliyun/member-eni":"50"}}}'
  done
}

install_controlplane() {
  docker build --tag "$image" .
  kind load docker-image --name "$cluster" "$image"
  local gateway overlay=$state/overlay
  gateway=$(docker network inspect kind --format '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -F . | head -n 1)
  mkdir -p "$overlay"
  sed -e 's/^regionID:.*/regionID: cn-hangzhou/' -e 's/^clusterID:.*/clusterID: c-sandbox/' \
    -e 's/^vpcID:.*/vpcID: vpc-sandbox/' config/manager/ctrl-config.yaml >"$overlay/ctrl-config.yaml"
  # Known to the simulated cloud only.
  printf 'accessKey: sandbox-key\naccessSecret: sandbox-secret\n' >"$overlay/ctrl-secret.yaml"
  # kustomize takes relative paths only, and the temporary folder may be on a path with links.
  cat >"$overlay/kustomization.yaml" <<YAML
resources:
  - $(realpath --relative-to="$(realpath "$overlay")" config/default)
generatorOptions:
  disableNameSuffixHash: true
configMapGenerator:
  - name: terway-controlplane
    namespace: kube-system
    behavior: merge
    files: [ctrl-config.yaml]
secretGenerator:
  - name: terway-controlplane
    namespace: kube-system
    behavior: merge
    files: [ctrl-secret.yaml]
patches:
  - target: { kind: Deployment, name: terway-controlplane }
    patch: |
      - { op: add, path: /spec/template/spec/containers/0/env/-, value: { name: ECS_ENDPOINT, value: "$gateway:$port" } }
      - { op: add, path: /spec/template/spec/containers/0/env/-, value: { name: VPC_ENDPOINT, value: "$gateway:$port" } }
      - { op: add, path: /spec/template/spec/containers/0/env/-, value: { name: ALICLOUD_CLIENT_SCHEME, value: HTTP } }
YAML
  kubectl apply -k "$overlay"
  kubectl -n kube-system rollout restart deployment terway-controlplane
  kubectl -n kube-system rollout status deployment terway-controlplane --timeout 180s
}

show() {
  kubectl apply -f config/samples/10-elastic-trunk.yaml
  kubectl wait podnetworking/elastic --for 'jsonpath={.status.status}=Ready' --timeout 60s
  kubectl -n elastic rollout restart deployment web
  for _ in $(seq 60); do
    if [[ $(kubectl -n elastic get podeni -o 'jsonpath={.items[*].status.phase}') == *Bind* ]]; then break; fi
    sleep 1
  done
  kubectl get podnetworkings
  kubectl -n elastic get podenis
  [[ $(kubectl -n elastic get podeni -o 'jsonpath={.items[*].status.phase}') == *Bind* ]] || fail "no PodENI is bound"
  echo "export KUBECONFIG=$KUBECONFIG"
}

for program in docker kind kubectl node; do command -v "$program" >/dev/null || fail "$program is needed"; done
case ${1:-up} in
up)
  mkdir -p "$state"
  start_cloud
  create_cluster
  prepare_nodes
  install_controlplane
  show
  ;;
down) down ;;
*) fail "unknown argument $1: use up or down" ;;
esac
