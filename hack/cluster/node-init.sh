#!/usr/bin/env bash
# node-init.sh nodeN: the first process in a node's namespaces; node.sh starts it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
name=$1 dir=$STATE/nodes/$1
echo "$name" >/proc/sys/kernel/hostname

# The node's own disk, in place of the machine's; nothing of it is seen outside.
mount --make-rprivate /
mount --bind "$dir/kubelet" /var/lib/kubelet
mount --make-rshared /   # kubelet wants mounts in volumes to be able to propagate
mount --bind "$dir/containerd" /var/lib/containerd
mount --bind "$dir/cni" /var/lib/cni
mount --bind "$dir/pods" /var/log/pods
mount --bind "$dir/containers" /var/log/containers
mount --bind "$dir/etc-cni" /etc/cni
mount -t tmpfs -o mode=755 tmpfs /run

cable() { ip -4 -o addr show dev eth0 | grep -q inet; }
wait_for 10 "eth0" cable

# keep NAME command...: start it again when it ends, at most once a second.
keep() {
  local name=$1; shift
  while true; do
    "$@" >>"$dir/log/$name.log" 2>&1 || true
    echo "$name ended; starting it again"
    sleep 1
  done
}

unset KUBECONFIG
keep containerd env PATH="$SHIM_DIR:$PATH" "$CONTAINERD" -c "$dir/containerd.toml" &
wait_for 30 "containerd" test -S /run/containerd/containerd.sock
keep kubelet "$KUBELET" --config="$dir/kubelet.yaml" --kubeconfig="$STATE/pki/$name.kubeconfig" \
  --hostname-override="$name" --node-ip="$NODE_NET.1${name#node}" &
# Connection-tracking limits belong to the machine, not to a node: 0 leaves them alone.
keep kube-proxy "$KUBE_PROXY" --kubeconfig="$STATE/pki/kube-proxy.kubeconfig" --hostname-override="$name" \
  --proxy-mode=nftables --cluster-cidr="$POD_NET.0.0/16" --conntrack-max-per-core=0 \
  --conntrack-tcp-timeout-established=0s --conntrack-tcp-timeout-close-wait=0s &
wait
