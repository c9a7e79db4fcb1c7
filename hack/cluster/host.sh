# host.sh: what a cluster changes on the machine itself, how that is put back, and the check that
# nothing is left; sourced.

# kubelet sets these for the whole machine. Kept once, before the first instance.
readonly HOST_SYSCTLS="vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes"
# Mount points inside the nodes, which must exist on the host's file system too.
readonly HOST_FOLDERS="/var/lib/kubelet /var/lib/containerd /var/lib/cni /var/log/pods /var/log/containers /etc/cni /var/lib/olmoe"

# prepare_host: remember what is there before the first instance changes it, then make the bridge. It has an
# address of its own: else it takes the lowest of its ports', and when that node loses its power the others
# go on sending to an address that nobody has, for seconds, until they ask for it anew.
prepare_host() {
  mkdir -p "$STATE"/{log,pid,nodes} "$HOST_STATE/users"
  remember_host
  touch "$HOST_STATE/users/$CLUSTER"
  # shellcheck disable=SC2086
  mkdir -p $HOST_FOLDERS
  if ! ip link show "$LINK" >/dev/null 2>&1; then
    ip link add "$LINK" address "$(printf '02:00:c0:a8:%02x:01' "$ID")" type bridge
    ip addr add "$HOST_IP/24" dev "$LINK"
    ip link set "$LINK" up
  fi
  allow_forwarding
}

remember_host() {
  local name dir
  [ ! -e "$HOST_STATE/complete" ] || return 0
  for name in $HOST_SYSCTLS; do
    [ ! -r "/proc/sys/$name" ] || echo "$name $(cat "/proc/sys/$name")"
  done >"$HOST_STATE/sysctls"
  for dir in $HOST_FOLDERS; do
    [ -d "$dir" ] || echo "$dir"
  done >"$HOST_STATE/folders"
  passed_down >"$HOST_STATE/controllers"
  touch "$HOST_STATE/complete"
}

# passed_down: a line "FILE CONTROLLER" for each controller that the root of a v2 tree passes down.
passed_down() {
  local mount controller
  for mount in $(cgroup_mounts); do
    for controller in $(cat "$mount/cgroup.subtree_control" 2>/dev/null); do
      echo "$mount/cgroup.subtree_control $controller"
    done
  done
}

# restore_passed_down: stop passing down what was not before. What others use by now stays.
restore_passed_down() {
  local file controller
  while read -r file controller; do
    grep -qxF "$file $controller" "$HOST_STATE/controllers" || echo "-$controller" >"$file" || true
  done < <(passed_down)
}

# Where bridged traffic passes the host's firewall, a policy such as Docker's would drop what nodes
# send each other. A host without any rule is left alone: even to look for one there adds a table.
bridge_is_filtered() { [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ]; }
forward_rule() { iptables -w 5 "$1" FORWARD -i "$LINK" -o "$LINK" -m comment --comment "$CGROUP" -j ACCEPT 2>/dev/null; }
allow_forwarding() {
  bridge_is_filtered || return 0
  iptables -w 5 -S FORWARD 2>/dev/null | grep -q -e '^-P FORWARD DROP' -e '^-A' || return 0
  forward_rule -C || forward_rule -I
}

# restore_host: take away this instance's network and cgroups.
restore_host() {
  while forward_rule -C; do forward_rule -D; done
  ip route del "$SVC_CIDR" 2>/dev/null || true
  ip link del "$LINK" 2>/dev/null || true
  remove_cgroups "$CGROUP"
}

# leave_host: the last instance puts back what was remembered.
leave_host() {
  local name value dir
  [ -d "$HOST_STATE" ] || return 0
  rm -f "$HOST_STATE/users/$CLUSTER"
  [ -z "$(ls "$HOST_STATE/users")" ] || return 0
  while read -r name value; do echo "$value" >"/proc/sys/$name"; done <"$HOST_STATE/sysctls"
  restore_passed_down
  while read -r dir; do
    [ ! -d "$dir" ] || find "$dir" -depth -type d -empty -delete
  done <"$HOST_STATE/folders"
  rm -rf "$HOST_STATE"
}

# clean: fail, saying what, if anything of this instance is left on the machine.
clean() {
  local left=() mount
  [ ! -e "$STATE" ] || left+=("folder $STATE")
  [ ! -e "$HOST_STATE/users/$CLUSTER" ] || left+=("file $HOST_STATE/users/$CLUSTER")
  [ -z "$(ip -o link show 2>/dev/null | grep " $LINK")" ] || left+=("network links $LINK*")
  [ -z "$(ip route show | grep -e "$NODE_NET\." -e "$POD_NET\." -e "^$SVC_CIDR")" ] || left+=("routes")
  ! forward_rule -C || left+=("firewall rule for $LINK")
  ! grep -q "$STATE" /proc/mounts || left+=("mounts of $STATE")
  for mount in $(cgroup_mounts); do [ ! -e "$mount/$CGROUP" ] || left+=("cgroup $mount/$CGROUP"); done
  [ -z "$(processes_of_instance)" ] || left+=("processes $(processes_of_instance)")
  [ ${#left[@]} = 0 ] || { printf 'left of cluster %s: %s\n' "$CLUSTER" "${left[@]}" >&2; return 1; }
}

# processes_of_instance: those whose command line or cgroup names it.
processes_of_instance() {
  local dir found=()
  for dir in /proc/[0-9]*; do
    if grep -qsF "$STATE/" "$dir/cmdline" || grep -qsF "/$CGROUP/" "$dir/cgroup"; then found+=("${dir#/proc/}"); fi
  done
  echo "${found[*]:-}"
}
