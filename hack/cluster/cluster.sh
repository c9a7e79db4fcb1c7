#!/usr/bin/env bash
# cluster.sh up|tools|down|pause|resume|status|kubeconfig|clean: a real Kubernetes cluster on this one machine.
#
#   up          etcd, API server, controller-manager, scheduler, an image registry, NODES nodes with
#               real containers, DNS; does only what is not done yet, so it can be run again
#   tools       build what "up" needs; it does so by itself
#   down        stop all of it and remove every trace; then checks that nothing is left
#   pause       freeze etcd and the API server.     resume: let them go on
#   status      which parts run
#   kubeconfig  the path of the administrator's kubeconfig
#   clean       check only: say what is left of a cluster that is down
#
# Settings: see env.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"
. "$here/runtime.sh"
. "$here/host.sh"
. "$here/controlplane.sh"

build_tools() {
  tool etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl coredns image pause >/dev/null
}

push_images() {
  local push; push=$(tool image)
  "$push" push --insecure --binary "$(tool pause)" "$REGISTRY/pause:1" >/dev/null
  "$push" push --insecure --binary "$(tool coredns)" "$REGISTRY/coredns:1" >/dev/null
}

start_nodes() {
  local n pids=() failed=0
  for n in $(seq "$NODES"); do "$here/node.sh" start "node$n" & pids+=($!); done
  for n in "${pids[@]}"; do wait "$n" || failed=1; done
  return $failed
}

start_dns() {
  sed "s|REGISTRY|$REGISTRY|; s|DNS_IP|$DNS_IP|" "$here/coredns.yaml" | kubectl apply -f - >/dev/null
  kubectl -n kube-system rollout status deployment/coredns --timeout=90s >/dev/null
}

up() {
  need_root
  [[ $NODES =~ ^[1-9]$ ]] || die "NODES is \"$NODES\"; it must be 1 to 9"
  say "cluster $CLUSTER: control plane at $HOST_IP, $NODES nodes, state in $STATE"
  prepare_runtime
  step "tools (built once, then found)" build_tools
  KUBECTL=$(tool kubectl)
  step "keys and certificates" make_pki
  step "bridge, sysctls" prepare_host
  step "registry" start_registry
  step "etcd, API server" start_api
  step "controller-manager, scheduler" start_controllers
  step "pause and DNS images" push_images
  step "nodes" start_nodes
  step "cluster DNS" start_dns
  say "cluster $CLUSTER is up: export KUBECONFIG=$KUBECONFIG_ADMIN"
}

down() {
  need_root
  local node t0=$SECONDS
  for node in "$STATE"/nodes/*/; do
    [ ! -d "$node" ] || "$here/node.sh" destroy "$(basename "$node")"
  done
  stop_processes
  restore_host
  rm -rf "$STATE"
  leave_host
  clean
  say "cluster $CLUSTER is down, nothing is left of it ($((SECONDS - t0)) s)"
}

status() {
  local file
  [ -d "$STATE" ] || { say "cluster $CLUSTER is down"; return 1; }
  for file in "$STATE"/pid/* "$STATE"/nodes/*/init.pid; do
    [ -e "$file" ] || continue
    local name=${file#"$STATE"/}; name=${name#pid/}; name=${name#nodes/}
    if running "$file"; then say "${name%/init.pid}: runs, process $(pid_of "$file")"; else say "${name%/init.pid}: does not run"; fi
  done
}

# freeze SIGNAL: the control plane stops answering; nodes and pods go on.
freeze() {
  local part
  for part in etcd kube-apiserver; do kill "-$1" "$(pid_of "$STATE/pid/$part")"; done
}

case ${1:-} in
  up) up ;;
  tools) build_tools ;;
  down) down ;;
  pause) freeze STOP ;;
  resume) freeze CONT ;;
  status) status ;;
  kubeconfig) say "$KUBECONFIG_ADMIN" ;;
  clean) clean && say "nothing is left of cluster $CLUSTER" ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
