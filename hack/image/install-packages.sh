#!/usr/bin/env bash
# Installs the Debian packages that CI needs and a machine may lack: what builds and runs the image, and the linter of shell
# scripts. Only as root; does nothing when all are there.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive PATH=$PATH:/usr/sbin

missing=()
for package in buildah debootstrap runc shellcheck; do
  # Each has a program of its own name.
  if [[ -z $(command -v "$package") ]]; then missing+=("$package"); fi
done
if [[ ${#missing[@]} == 0 ]]; then exit; fi
if [[ $(id -u) != 0 ]]; then
  echo "missing: ${missing[*]}; install them, or run this as root" >&2
  exit 1
fi
wait_for_others=(-o DPkg::Lock::Timeout=300)
apt-get -qq "${wait_for_others[@]}" update
apt-get -qq "${wait_for_others[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null
