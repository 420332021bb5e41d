#!/usr/bin/env bash
# Installs the programs that the tests drive this product with and nobody here wrote: clients, an engine, a foreign
# registry. Debian's packages where apt-get is at hand and we are root; Go programs into .tools/bin where Go is.
# What cannot be had is named and left out: the tests that need it are then skipped by name. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# package:program
packages=(skopeo:skopeo docker-registry:docker-registry podman:podman runc:runc umoci:umoci openssl:openssl curl:curl)
# program=module path@version; each is known to build with Go 1.26
programs=(
  crane=github.com/google/go-containerregistry/cmd/crane@v0.22.1
  regctl=github.com/regclient/regclient/cmd/regctl@v0.11.7
  conformance=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
)
# The same for programs that are tests of their module.
suites=(
  conformance-earlier=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20230516164017-7fcdf80f3c8b
)
apt_seconds=${APT_SECONDS:-300}
go_seconds=${GO_SECONDS:-180}

# runc stands in /usr/sbin, which not every PATH names.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

install_packages() {
  local missing=() entry
  for entry in "${packages[@]}"; do has "${entry#*:}" || missing+=("${entry%%:*}"); done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  if ! has apt-get || [ "$(id -u)" -ne 0 ]; then
    echo "not installed (needs root and apt-get): ${missing[*]}"
    return
  fi
  export DEBIAN_FRONTEND=noninteractive
  timeout "$apt_seconds" apt-get update -qq </dev/null || echo 'apt-get update failed: trying with the lists that are here'
  timeout "$apt_seconds" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
    echo "not installed (apt-get failed): ${missing[*]}"
}

install_program() {
  local name=${1%%=*} module=${1#*=}
  if [ -x ".tools/bin/$name" ] && go version -m ".tools/bin/$name" | grep -q "${module#*@}"; then return; fi
  GOBIN="$PWD/.tools/bin" timeout "$go_seconds" go install "$module" </dev/null 2>.tools/"$name".log ||
    echo "not installed (go install $module: $(tail -n 1 .tools/"$name".log))"
}

# Built where the module cache has it, by the sums of its own go.sum.
install_suite() {
  local name=${1%%=*} module=${1#*=} source
  if [ -x ".tools/bin/$name" ] && [ -f ".tools/$name.built" ] && grep -qxF "$module" ".tools/$name.built"; then return; fi
  source=$(timeout "$go_seconds" go mod download -json "$module" 2>.tools/"$name".log | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p') || true
  if [ -n "$source" ] && timeout "$go_seconds" go -C "$source" test -c -o "$PWD/.tools/bin/$name" . </dev/null 2>.tools/"$name".log; then
    echo "$module" >.tools/"$name".built
  else
    echo "not installed (go test -c of $module: $(tail -n 1 .tools/"$name".log))"
  fi
}

install_packages
if has go; then
  mkdir -p .tools/bin
  for program in "${programs[@]}"; do install_program "$program"; done
  for suite in "${suites[@]}"; do install_suite "$suite"; done
else
  echo "not installed (needs Go): ${programs[*]%%=*} ${suites[*]%%=*}"
fi
