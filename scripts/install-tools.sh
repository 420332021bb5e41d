#!/usr/bin/env bash
# Installs the programs that the tests drive this product with and nobody here wrote: clients, engines, a foreign registry.
# Debian's packages where apt-get is at hand and we are root; Go programs into .tools/bin where Go is. What cannot be had
# is named and left out: the tests that need it are then skipped by name. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# package:program
packages=(
  skopeo:skopeo docker-registry:docker-registry podman:podman buildah:buildah runc:runc umoci:umoci openssl:openssl
  iproute2:ip strace:strace containerd:containerd containerd:ctr docker.io:dockerd docker.io:docker
  docker-compose:docker-compose
  nginx:nginx curl:curl wrk:wrk
)
# program=module path@version, quick ones first; each is known to build with Go 1.26
programs=(
  conformance=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
  crane=github.com/google/go-containerregistry/cmd/crane@v0.22.1
  regctl=github.com/regclient/regclient/cmd/regctl@v0.11.7
  oras=oras.land/oras/cmd/oras@v1.3.3
  cosign=github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
)
# program=module@version=go command=package: for tests of a module, and where go install would ask for more than the module
built_in_module=(
  'conformance-earlier=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20230516164017-7fcdf80f3c8b=test -c=.'
  'notation=github.com/notaryproject/notation@v1.3.2=build=./cmd/notation'
)
update_seconds=${UPDATE_SECONDS:-120}
install_seconds=${INSTALL_SECONDS:-300}
# All Go programs together; what is not built by then is left out.
go_seconds=${GO_SECONDS:-720}

# Some stand in /usr/sbin, which not every PATH names.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

missing_packages() {
  local entry
  for entry in "${packages[@]}"; do has "${entry#*:}" || echo "${entry%%:*}"; done | sort -u
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  if ! has apt-get || [ "$(id -u)" -ne 0 ]; then
    echo "not installed (needs root and apt-get): ${missing[*]}"
    return
  fi
  export DEBIAN_FRONTEND=noninteractive
  timeout "$update_seconds" apt-get update -qq </dev/null || echo 'apt-get update failed: trying with the lists that are here'
  start_no_service
  timeout "$install_seconds" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
    echo "not installed (apt-get failed): ${missing[*]}"
}

# Debian starts what it installs (invoke-rc.d(8)): an engine or a registry that a test did not start would be in its way.
start_no_service() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then return; fi
  trap "rm -f $policy" EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
}

# Bounded by what is left of the time for all.
within() {
  local left=$((go_seconds - SECONDS + go_begun))
  timeout "$((left > 0 ? left : 1))" "$@" </dev/null
}

install_program() {
  local name=${1%%=*} module=${1#*=}
  if [ -x ".tools/bin/$name" ] && go version -m ".tools/bin/$name" | grep -q "${module#*@}"; then return; fi
  GOBIN="$PWD/.tools/bin" within go install "$module" 2>.tools/"$name".log ||
    echo "not installed (go install $module: $(tail -n 1 .tools/"$name".log))"
}

# Built where the module cache has it, by the sums of its own go.sum.
build_in_module() {
  local name module command package source
  IFS='=' read -r name module command package <<<"$1"
  if [ -x ".tools/bin/$name" ] && [ -f ".tools/$name.built" ] && grep -qxF "$module" ".tools/$name.built"; then return; fi
  source=$(within go mod download -json "$module" 2>.tools/"$name".log | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || true
  # shellcheck disable=SC2086 # a command of two words
  if [ -n "$source" ] && within go -C "$source" $command -o "$PWD/.tools/bin/$name" "$package" 2>.tools/"$name".log; then
    echo "$module" >.tools/"$name".built
  else
    echo "not installed (go $command of $module: $(tail -n 1 .tools/"$name".log))"
  fi
}

install_packages
if has go; then
  mkdir -p .tools/bin
  go_begun=$SECONDS
  for entry in "${built_in_module[@]}"; do build_in_module "$entry"; done
  for entry in "${programs[@]}"; do install_program "$entry"; done
else
  echo "not installed (needs Go): ${programs[*]%%=*} ${built_in_module[*]%%=*}"
fi
