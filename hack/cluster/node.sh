#!/usr/bin/env bash
# node.sh start|stop|kill|destroy|partition|heal|pause|resume|enter nodeN [command...]
#
# A node (N = 1..9) is a tree of processes with mount, pid, network and host-name namespaces of its
# own: containerd, kubelet, kube-proxy and the pods that they start. It shares the machine's file
# system, so what a pod mounts by host path is the machine's.
#
#   start      make it and wait until Kubernetes says Ready
#   stop       take it away and remove the Node object, as when a machine is retired
#   kill       everything in it dies at once, as when the power fails; start brings it back
#   destroy    kill, and forget its disk; for cluster.sh down
#   partition  unplug its network cable; its processes and pods go on.   heal: plug it in again
#   pause      freeze every process in it.                               resume: let them go on
#   enter      run a command (default: a shell) inside it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"
. "$here/runtime.sh"
. "$here/nodeconfig.sh"

cmd=${1:-} name=${2:-}
n=${name#node}
[[ $name =~ ^node[1-9]$ ]] || { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }
ip=$NODE_NET.1$n dir=$STATE/nodes/$name veth=${LINK}n$n init=$STATE/nodes/$name/init.pid

in_node() { nsenter -t "$(pid_of "$init")" -m -n -p -u -- "$@"; }
net() { nsenter -t "$(pid_of "$init")" -n -- "$@"; }

# plug_in: a cable from the node to the bridge. Pod networks are routed, there is no overlay.
plug_in() {
  local other
  ip link add "$veth" type veth peer name eth0 netns "$(pid_of "$init")"
  net ip link set lo up
  net ip addr add "$ip/24" dev eth0
  net ip link set eth0 up
  net ip route add default via "$HOST_IP"
  for other in $(seq 9); do
    [ "$other" = "$n" ] || net ip route add "$POD_NET.$other.0/24" via "$NODE_NET.1$other"
  done
  net sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  ip link set "$veth" master "$LINK" up
  ip route replace "$POD_NET.$n.0/24" via "$ip"   # webhooks and the user's curl reach pods from the host
}

# route_services: the host reaches Services through the kube-proxy of a node that lives.
route_services() {
  local file via=
  for file in "$STATE"/nodes/node[1-9]/init.pid; do
    if running "$file"; then via=${file%/init.pid}; via=$NODE_NET.1${via##*node}; break; fi
  done
  if [ -n "$via" ]; then ip route replace "$SVC_CIDR" via "$via"; else ip route del "$SVC_CIDR" 2>/dev/null || true; fi
}

# start_init: the namespaces and their first process, which waits for its cable.
start_init() {
  local parent child='' i
  export CONTAINERD SHIM_DIR KUBELET KUBE_PROXY
  KUBELET=$(tool kubelet) KUBE_PROXY=$(tool kube-proxy)
  setsid unshare --mount --pid --net --uts --fork --kill-child --mount-proc \
    "$here/node-init.sh" "$name" >"$dir/log/init.log" 2>&1 </dev/null &
  parent=$!
  for i in $(seq 100); do
    child=$(tr -d ' ' <"/proc/$parent/task/$parent/children" 2>/dev/null) || true
    [ -z "$child" ] || break
    sleep 0.05
  done
  [ -n "$child" ] || die "$name: unshare failed: $(cat "$dir/log/init.log")"
  remember "$init" "$child"
}

is_ready() { [ "$(kubectl get node "$name" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
is_ready_or_dead() { is_ready || ! running "$init"; }

start() {
  if running "$init"; then return; fi
  remove_remains
  write_node_config
  make_node_cgroups
  start_init
  plug_in
  if wait_for 90 "$name" is_ready_or_dead && running "$init"; then route_services; return; fi
  echo "error: $name is not ready; the ends of its logs:" >&2
  tail -n 5 "$dir"/log/*.log >&2
  return 1
}

# remove_remains: what a dead node leaves outside of its namespaces.
remove_remains() {
  ip link del "$veth" 2>/dev/null || true
  ip route del "$POD_NET.$n.0/24" 2>/dev/null || true
  wait_for 10 "cgroups of $name to empty" no_node_cgroups
  rm -f "$init"
}
no_node_cgroups() { remove_cgroups "$CGROUP/$name"; no_cgroups "$CGROUP/$name"; }

kill_node() {
  if running "$init"; then
    kill -9 "$(pid_of "$init")"   # the first process of a pid namespace takes all others with it
    wait_for 10 "$name to die" init_ended
  fi
  remove_remains
  route_services
}
init_ended() { ! running "$init"; }

need_root
KUBECTL=$(tool kubectl)
case $cmd in
  start) prepare_runtime; start ;;
  kill) kill_node ;;
  stop) kill_node; kubectl delete node "$name" --ignore-not-found --timeout=10s >/dev/null ;;
  destroy) kill_node; rm -rf "$dir" ;;
  partition) ip link set "$veth" down ;;
  heal) ip link set "$veth" up; ip route replace "$POD_NET.$n.0/24" via "$ip" ;;
  pause) in_node kill -STOP -- -1 ;;
  resume) in_node kill -CONT -- -1 ;;
  enter) shift 2; in_node "${@:-bash}" ;;
  *) die "unknown command \"$cmd\"; see the head of $0" ;;
esac
