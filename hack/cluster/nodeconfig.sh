# nodeconfig.sh: a node's files and cgroups; sourced by node.sh, which sets name, n and dir.

write_node_config() {
  mkdir -p "$dir"/{kubelet,containerd,cni,pods,containers,etc-cni/net.d,log,certs.d/"$REGISTRY"}
  cni_config >"$dir/etc-cni/net.d/10-olmoe.conflist"
  containerd_config >"$dir/containerd.toml"
  kubelet_config >"$dir/kubelet.yaml"
  echo "nameserver 192.0.2.53" >"$dir/resolv.conf"   # names outside of the cluster have no answer
  printf 'server = "http://%s"\n[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' \
    "$REGISTRY" "$REGISTRY" >"$dir/certs.d/$REGISTRY/hosts.toml"
}

cni_config() {
  cat <<JSON
{"cniVersion": "1.0.0", "name": "olmoe", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$POD_NET.$n.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

# snapshotter: overlayfs does not work on top of itself, as in a container whose disk is one.
snapshotter() {
  if [ "$(stat -f -c %T "$dir")" = overlayfs ]; then echo native; else echo overlayfs; fi
}

# containerd_config: version 2 is read by containerd 1.6 to 2.x. restrict_oom_score_adj: without
# CAP_SYS_RESOURCE scores cannot be lowered, and runc would fail. AppArmor is off, because its
# profiles would stay in the kernel after the cluster is gone.
containerd_config() {
  cat <<TOML
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$REGISTRY/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "$dir/certs.d"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "$CNI_DIR"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "$(snapshotter)"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    BinaryName = "$RUNC"
    SystemdCgroup = false
TOML
}

# kubelet_config: each node offers its share of the machine's memory (the rest counts as reserved).
# Two kubelets need two cgroup roots: each deletes pods' cgroups that it does not know.
kubelet_config() {
  local total reserved
  total=$(awk '$1 == "MemTotal:" { print $2 }' /proc/meminfo)
  reserved=$((total / NODES * (NODES - 1)))
  cat <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP/$name
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $STATE/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $STATE/pki/$name.crt
tlsPrivateKeyFile: $STATE/pki/$name.key
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
failSwapOn: false
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 12
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%, nodefs.inodesFree: 1%}
imageGCHighThresholdPercent: 100
systemReserved: {memory: ${reserved}Ki}
YAML
}

# make_node_cgroups: kubelet's cgroupRoot must exist in every hierarchy.
make_node_cgroups() {
  local mount
  for mount in $(cgroup_mounts); do
    mkdir -p "$mount/$CGROUP/$name"
    if [ -e "$mount/cpuset.cpus" ] && [ ! -e "$mount/cgroup.controllers" ]; then fill_cpuset "$mount"; fi
    if [ -n "$(cat "$mount/cgroup.controllers" 2>/dev/null)" ]; then enable_controllers "$mount"; fi
  done
}

# fill_cpuset MOUNT: a new v1 cpuset is empty and accepts no process.
fill_cpuset() {
  local file
  for file in cpuset.cpus cpuset.mems; do
    cat "$1/$file" >"$1/$CGROUP/$file"
    cat "$1/$file" >"$1/$CGROUP/$name/$file"
  done
}

# enable_controllers MOUNT: in the v2 tree a group has the controllers that its parent passes down. (Beside
# v1 trees there may be a v2 tree with the controllers that they left.)
enable_controllers() {
  local group controller
  for group in "$1" "$1/$CGROUP" "$1/$CGROUP/$name"; do
    for controller in $(cat "$group/cgroup.controllers"); do
      echo "+$controller" >"$group/cgroup.subtree_control" 2>/dev/null || true
    done
  done
  ! grep -qw memory "$1/cgroup.controllers" || grep -qw memory "$1/$CGROUP/$name/cgroup.controllers" ||
    die "cgroup v2: the memory controller cannot be passed down to $1/$CGROUP; is this a container without a cgroup namespace of its own?"
}
