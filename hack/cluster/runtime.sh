# runtime.sh: what a node needs of the machine; sourced. Sets CONTAINERD, RUNC, SHIM_DIR, CNI_DIR.

readonly RUNTIME_PACKAGES="containerd runc containernetworking-plugins iptables nftables conntrack iproute2 curl"

# missing_commands NAME...: those that are not installed.
missing_commands() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null || printf '%s ' "$name"; done
}

# cni_folder: where the distribution puts CNI plugins.
cni_folder() {
  local dir
  for dir in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    [ ! -x "$dir/bridge" ] || { echo "$dir"; return; }
  done
  return 1
}

system_runtime_ready() { [ -z "$(missing_commands containerd runc iptables nft conntrack ip curl)" ] && cni_folder >/dev/null; }

install_packages() {
  say "installing with apt-get: $RUNTIME_PACKAGES"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -y --no-install-recommends $RUNTIME_PACKAGES >/dev/null 2>&1 && return
  apt-get update >/dev/null || die "apt-get update failed: are the machine's package sources reachable?"
  # shellcheck disable=SC2086
  apt-get install -y --no-install-recommends $RUNTIME_PACKAGES >/dev/null
}

can_build_runc() { command -v gcc >/dev/null && pkg-config --exists libseccomp 2>/dev/null; }

# need_seccomp_headers: without them runc builds, silently, without seccomp, and pods that want a
# seccomp profile cannot start.
need_seccomp_headers() {
  ! can_build_runc || return 0
  if command -v apt-get >/dev/null; then
    apt-get install -y --no-install-recommends gcc libc6-dev pkg-config libseccomp-dev >/dev/null 2>&1 || true
  fi
  can_build_runc || die "to build runc, install a C compiler, pkg-config and libseccomp's headers"
}

# prepare_runtime: find the runtime, install or build what is missing.
prepare_runtime() {
  local lacking
  case $RUNTIME in
    system)
      system_runtime_ready || { command -v apt-get >/dev/null && install_packages; } || true
      system_runtime_ready || die "this machine lacks one of: $RUNTIME_PACKAGES; install them, or set RUNTIME=built"
      CONTAINERD=$(command -v containerd) RUNC=$(command -v runc) CNI_DIR=$(cni_folder)
      SHIM_DIR=$(dirname "$CONTAINERD") ;;
    built)
      lacking=$(missing_commands iptables nft conntrack ip curl)
      [ -z "$lacking" ] || die "this machine lacks: $lacking; install them with the distribution's package manager"
      need_seccomp_headers
      tool containerd containerd-shim-runc-v2 runc bridge loopback host-local portmap >/dev/null
      CONTAINERD=$(tool containerd) RUNC=$(tool runc)
      SHIM_DIR=$(dirname "$CONTAINERD") CNI_DIR=$(dirname "$(tool bridge)") ;;
    *) die "RUNTIME is \"$RUNTIME\"; it must be system or built" ;;
  esac
}
