#!/usr/bin/env bash
# Builds the image of the Dockerfile with buildah, without an image registry: the base is a debootstrap of Debian bookworm,
# with the Node of the npm package `node` and an npm. Needs root, buildah, debootstrap and an npm on the PATH.
#
#   hack/image/build.sh [ARCHIVE]     builds localhost/terway-controlplane:VERSION; ARCHIVE also writes an OCI archive
#
# MIRROR is where Debian packages come from; the default is the machine's own. Packages of npm come from where npm is
# configured to get them. The base is kept in buildah's storage, one for each version of Node: `buildah rmi` of it makes it anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
node_version=$(sed -n 's/^    "node": "\(.*\)",$/\1/p' package.json)
base=localhost/node:$node_version-bookworm-slim
image=localhost/terway-controlplane:$version
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The machine's package source: of deb822 files and of one-line lists.
mirror_of_machine() {
  { cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null || true; } |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | head -n 1
}

make_base() {
  local rootfs=$scratch/rootfs modules=$scratch/modules container
  debootstrap --variant=minbase bookworm "$rootfs" "${MIRROR:-$(mirror_of_machine)}" >"$scratch/debootstrap.log" ||
    { tail -n 20 "$scratch/debootstrap.log" >&2; return 1; }
  rm -rf "$rootfs"/var/cache/apt/archives/*.deb "$rootfs"/var/lib/apt/lists/* "$rootfs"/usr/share/doc "$rootfs"/usr/share/man
  # Where this machine gets its packages is no part of the image.
  : >"$rootfs/etc/apt/sources.list"
  mkdir "$modules"
  npm install --prefix "$modules" --no-save --no-audit --no-fund --loglevel=error "node@$node_version" npm@11
  install -D -m 0755 "$modules/node_modules/node/bin/node" "$rootfs/usr/local/bin/node"
  mkdir -p "$rootfs/usr/local/lib/node_modules"
  cp -r "$modules/node_modules/npm" "$rootfs/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  container=$(buildah from scratch)
  buildah copy -q "$container" "$rootfs" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit -q --rm "$container" "$base" >/dev/null
}

buildah inspect --type image "$base" >/dev/null 2>&1 || make_base

# What npm is configured to, in one file: it may come from several files and from the environment.
npmrc=$scratch/npmrc
{ grep -vE '^cafile' "$(npm config get userconfig)" || true; } >"$npmrc" 2>/dev/null
printf 'registry=%s\n' "$(npm config get registry)" >>"$npmrc"
for key in proxy https-proxy noproxy; do
  value=$(npm config get "$key" 2>/dev/null || true)
  case $value in
  "" | null | undefined) ;;
  *) echo "$key=$value" >>"$npmrc" ;;
  esac
done
# The authorities that this machine trusts: npm's own, those added to every Node, or the system's.
secrets=(--secret "id=npmrc,src=$npmrc")
for authorities in "$(npm config get cafile 2>/dev/null || true)" "${NODE_EXTRA_CA_CERTS:-}" /etc/ssl/certs/ca-certificates.crt; do
  if [[ -f $authorities ]]; then
    secrets+=(--secret "id=npm-ca,src=$authorities")
    break
  fi
done

# The one before loses its name to this one, and nobody would find it again.
before=$(buildah images --quiet --no-trunc "$image" 2>/dev/null || true)
buildah bud --quiet --build-arg BASE="$base" "${secrets[@]}" --network host --tag "$image" . >/dev/null
if [[ -n $before ]]; then buildah rmi "$before" >/dev/null 2>&1 || true; fi
if [[ $# -gt 0 ]]; then buildah push --quiet "$image" "oci-archive:$1:$image"; fi
echo "$image"
