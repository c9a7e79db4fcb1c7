# env.sh: settings that the cluster scripts share; sourced, never run.
#
#   CLUSTER   the instance: demo (default) or e2e; the two can run side by side
#   NODES     how many nodes to start (default 2, at most 9)
#   RUNTIME   system: the distribution's containerd, runc and CNI plugins
#             built:  the same from the Go module proxy; default: system where there is apt-get

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CLUSTER=${CLUSTER:-demo}
NODES=${NODES:-2}
if [ -z "${RUNTIME:-}" ]; then
  if command -v apt-get >/dev/null; then RUNTIME=system; else RUNTIME=built; fi
fi

# Every address and name that exists once on a machine depends on the instance.
case $CLUSTER in
  demo) ID=77 ;;
  e2e) ID=78 ;;
  *) echo "CLUSTER is \"$CLUSTER\"; it must be demo or e2e" >&2; exit 1 ;;
esac
LINK=olmoe$ID                     # the bridge that joins nodes and control plane; veths are ${LINK}nN
NODE_NET=192.168.$ID              # node N is $NODE_NET.1N
HOST_IP=$NODE_NET.1               # the control plane and the registry
POD_NET=10.$((ID + 167))          # node N's pods are in $POD_NET.N.0/24
SVC_CIDR=10.$((ID + 19)).0.0/16
SVC_IP=${SVC_CIDR%0.0/16}0.1 DNS_IP=${SVC_CIDR%0.0/16}0.10
LOOP=127.0.$ID.1                  # what only the control plane itself may reach: etcd, metrics
REGISTRY=$HOST_IP:5000
CGROUP=olmoe-$CLUSTER

CACHE=${OLMOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/olmoe-operator}
STATE=$CACHE/cluster-$CLUSTER     # all that this instance writes
HOST_STATE=$CACHE/host            # what must be put back when the last instance goes
KUBECONFIG_ADMIN=$STATE/pki/admin.kubeconfig

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# wait_for SECONDS WHAT command...: until the command succeeds; fails, naming WHAT, when time is up.
wait_for() {
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "error: gave up waiting for $what" >&2; return 1; }
    sleep 0.2
  done
}

# step NAME command...: run a step, say what it is and how long it took. The command is not part of a
# condition, so that bash goes on honouring "set -e" inside of it; the trap says which step failed.
STEP=
trap '[ -z "$STEP" ] || printf "\nerror: failed: %s\n" "$STEP" >&2' EXIT
step() {
  local name=$1 t0=$EPOCHREALTIME ms; shift
  STEP=$name
  printf '  %-44s ' "$name"
  "$@"
  STEP=
  ms=$(((${EPOCHREALTIME/[.,]/} - ${t0/[.,]/}) / 1000))
  printf '%4d.%d s\n' $((ms / 1000)) $((ms % 1000 / 100))
}

need_root() {
  [ "$(id -u)" = 0 ] || die "the cluster needs root (namespaces, bridges, cgroups); run as root, for example with sudo"
}

# tool NAME: the path of a pinned tool, built if need be.
tool() { "$ROOT/hack/tools/tool.sh" "$@"; }
kubectl() { "$KUBECTL" --kubeconfig="$KUBECONFIG_ADMIN" "$@"; }

# --- processes: a pid file holds "PID STARTTIME", because numbers are used again ------------------
start_time() { cut -d' ' -f22 "/proc/$1/stat" 2>/dev/null; }   # our programs' names hold no space
running() { # running PIDFILE
  local pid since
  { read -r pid since <"$1"; } 2>/dev/null && [ -n "$since" ] && [ "$(start_time "$pid")" = "$since" ]
}
remember() { echo "$2 $(start_time "$2")" >"$1"; }   # remember PIDFILE PID
pid_of() { cut -d' ' -f1 "$1"; }

# --- cgroups: v1 has a tree per controller, v2 has one --------------------------------------------
cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts | sort -u; }
remove_cgroups() { # remove_cgroups NAME: below every hierarchy; what is still in use stays
  local mount
  for mount in $(cgroup_mounts); do
    [ ! -d "$mount/$1" ] || find "$mount/$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}
no_cgroups() { local mount; for mount in $(cgroup_mounts); do [ ! -d "$mount/$1" ] || return 1; done; }
