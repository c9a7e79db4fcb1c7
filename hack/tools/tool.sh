#!/usr/bin/env bash
# tool.sh NAME...: make sure that the pinned tools are built; print the path of each, one a line.
#
# Every tool comes from the Go module proxy, in a version that the go.sum next to this script's
# modules fixes. Binaries lie outside of the checkout, in a folder whose name is a hash of all that
# goes into them, so a second run, or a second checkout, finds them ready.
#
#   OLMOE_CACHE   where binaries are kept (default: ${XDG_CACHE_HOME:-~/.cache}/olmoe-operator)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${OLMOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/olmoe-operator}

# The user's own Go flags must change neither what is built nor the folder it is kept in.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=readonly" GOWORK=off
unset GOOS GOARCH

# spec NAME: "module package" of a tool; the module is a folder below hack/.
spec() {
  local kube=k8s.io/kubernetes/cmd
  case $1 in
    etcd) echo "tools/k8s go.etcd.io/etcd/server/v3" ;;
    kube-apiserver | kube-controller-manager | kube-scheduler | kubelet | kube-proxy | kubectl)
      echo "tools/k8s $kube/$1" ;;
    coredns) echo "tools/coredns ." ;;
    controller-gen) echo "tools/gen sigs.k8s.io/controller-tools/cmd/controller-gen" ;;
    helm) echo "tools/helm helm.sh/helm/v4/cmd/helm" ;;
    golangci-lint) echo "tools/lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint" ;;
    govulncheck) echo "tools/vuln golang.org/x/vuln/cmd/govulncheck" ;;
    gotestsum) echo "tools/gotestsum gotest.tools/gotestsum" ;;
    licenses) echo "tools/licenses ." ;;
    image) echo "image ." ;;
    pause) echo "image ./pause" ;;
    containerd | containerd-shim-runc-v2) echo "tools/runtime github.com/containerd/containerd/v2/cmd/$1" ;;
    runc) echo "tools/runc github.com/opencontainers/runc" ;;
    bridge | loopback) echo "tools/cni github.com/containernetworking/plugins/plugins/main/$1" ;;
    host-local) echo "tools/cni github.com/containernetworking/plugins/plugins/ipam/$1" ;;
    portmap) echo "tools/cni github.com/containernetworking/plugins/plugins/meta/$1" ;;
    *) echo "tool.sh: unknown tool \"$1\"; the names are in $here/tool.sh" >&2; return 1 ;;
  esac
}

# key MODULE: what goes into its binaries: the module's own files, the Go version, the build flags.
key() {
  {
    go version; go env GOARCH GOAMD64 GOARM64
    declare -f flags build
    cd "$here/../$1" && find . -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-16
}

version_of() { (cd "$here/../$1" && go list -m -f '{{.Version}}' "$2"); }

# flags MODULE: a line of go build's flags; version strings that the programs print or compare.
flags() {
  local v major minor pkg=k8s.io/component-base/version
  case $1 in
    tools/k8s)
      v=$(version_of "$1" k8s.io/kubernetes); IFS=. read -r major minor _ <<<"${v#v}"
      echo "-X $pkg.gitVersion=$v -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean" ;;
    tools/gen)
      echo "-X sigs.k8s.io/controller-tools/pkg/version.version=$(version_of "$1" sigs.k8s.io/controller-tools)" ;;
    tools/lint)
      v=$(version_of "$1" github.com/golangci/golangci-lint/v2); echo "-X main.version=${v#v}" ;;
    tools/runtime)
      echo "-X github.com/containerd/containerd/v2/version.Version=$(version_of "$1" github.com/containerd/containerd/v2)" ;;
    tools/runc)
      v=$(version_of "$1" github.com/opencontainers/runc); echo "-X main.version=${v#v}" ;;
  esac
}

# build MODULE DIR NAME...: all missing tools of a module in one go command, which compiles shared packages once.
build() (
  module=$1 dir=$2 pkgs=(); shift 2
  echo "building $* ($module)" >&2
  for name in "$@"; do pkgs+=("$(spec "$name" | cut -d' ' -f2)"); done
  tmp=$(mktemp -d "$dir/.build.XXXXXX"); trap 'rm -rf "$tmp"' EXIT
  cd "$here/../$module"
  case $module in   # containerd without the file systems that need C; runc's seccomp filter needs C
    tools/runtime) GOFLAGS+=" -tags=no_btrfs,no_devmapper,no_zfs" ;;
    tools/runc) CGO_ENABLED=1 GOFLAGS+=" -tags=seccomp" ;;
  esac
  go build -ldflags "-s -w $(flags "$module")" -o "$tmp/" "${pkgs[@]}"
  [ ! -e "$tmp/server" ] || mv "$tmp/server" "$tmp/etcd"   # go build names a program after its folder
  for name in "$@"; do mv "$tmp/$name" "$dir/$name"; done
)

declare -A dir missing
for name in "$@"; do
  read -r module _ <<<"$(spec "$name")"
  [ -n "${dir[$module]:-}" ] || dir[$module]=$cache/${module##*/}-$(key "$module")
  [ -x "${dir[$module]}/$name" ] || missing[$module]+=" $name"
done
for module in "${!missing[@]}"; do
  mkdir -p "${dir[$module]}"
  exec 9>"${dir[$module]}/.lock"
  flock 9   # another run may be building the same tools; what it made is not made again
  todo=()
  for name in ${missing[$module]}; do [ -x "${dir[$module]}/$name" ] || todo+=("$name"); done
  [ ${#todo[@]} = 0 ] || build "$module" "${dir[$module]}" "${todo[@]}"
  exec 9>&-
done
for name in "$@"; do
  read -r module _ <<<"$(spec "$name")"
  echo "${dir[$module]}/$name"
done
