# controlplane.sh: the processes that run on the host; sourced by cluster.sh.

make_pki() {
  local n nodes=() pki=$STATE/bin/pki
  mkdir -p "$STATE/bin"
  (cd "$ROOT" && CGO_ENABLED=0 go build -trimpath -o "$pki" ./hack/cluster/pki)
  for n in $(seq 9); do nodes+=(--node "node$n=$NODE_NET.1$n"); done
  "$pki" --dir "$STATE/pki" --host "$HOST_IP" --service "$SVC_IP" "${nodes[@]}"
}

# start NAME command...: in the background, unless it runs.
start() {
  local name=$1; shift
  ! running "$STATE/pid/$name" || return 0
  cd "$STATE" || return
  setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null &
  remember "$STATE/pid/$name" $!
}

# answers NAME WHAT command...: wait until it answers; if it ends or time is up, show its log.
answers() {
  local name=$1 what=$2; shift 2
  if wait_for 60 "$what" answers_or_ended "$name" "$@" && running "$STATE/pid/$name"; then return; fi
  echo "error: $name does not serve; the end of $STATE/log/$name.log:" >&2
  tail -n 15 "$STATE/log/$name.log" >&2
  return 1
}
answers_or_ended() { local name=$1; shift; "$@" || ! running "$STATE/pid/$name"; }

start_registry() {
  start registry "$(tool image)" serve --address "$REGISTRY" --disk "$STATE/registry"
  answers registry "the registry" curl -sf "http://$REGISTRY/v2/"
}

start_api() {
  local pki=$STATE/pki front=$STATE/pki/front-proxy
  # Data is thrown away with the cluster: nothing to sync to disk for.
  start etcd "$(tool etcd)" --name=etcd0 --data-dir="$STATE/etcd" --unsafe-no-fsync --logger=zap --log-level=warn \
    --listen-client-urls="http://$LOOP:2379" --advertise-client-urls="http://$LOOP:2379" \
    --listen-peer-urls="http://$LOOP:2380" --initial-advertise-peer-urls="http://$LOOP:2380" \
    --initial-cluster="etcd0=http://$LOOP:2380"
  start kube-apiserver "$(tool kube-apiserver)" --etcd-servers="http://$LOOP:2379" \
    --bind-address="$HOST_IP" --advertise-address="$HOST_IP" --secure-port=6443 --service-cluster-ip-range="$SVC_CIDR" \
    --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$front-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$front-client.crt" --proxy-client-key-file="$front-client.key" \
    --enable-aggregator-routing=true \
    --default-not-ready-toleration-seconds=10 --default-unreachable-toleration-seconds=10
  answers kube-apiserver "the API server" kubectl get --raw /readyz
}

# start_controllers: after the API server is ready; a controller-manager that comes before the RBAC
# bootstrap roles exits.
start_controllers() {
  local kcm=$STATE/pki/controller-manager.kubeconfig sched=$STATE/pki/scheduler.kubeconfig
  # Node loss is noticed after 16 s (40 s is the default), so that tests of it stay short.
  start kube-controller-manager "$(tool kube-controller-manager)" --kubeconfig="$kcm" \
    --authentication-kubeconfig="$kcm" --authorization-kubeconfig="$kcm" \
    --service-account-private-key-file="$STATE/pki/sa.key" --root-ca-file="$STATE/pki/ca.crt" --use-service-account-credentials \
    --cluster-signing-cert-file="$STATE/pki/ca.crt" --cluster-signing-key-file="$STATE/pki/ca.key" \
    --leader-elect=false --bind-address="$LOOP" \
    --node-eviction-rate=1 --node-monitor-period=2s --node-monitor-grace-period=16s \
    --horizontal-pod-autoscaler-sync-period=5s
  start kube-scheduler "$(tool kube-scheduler)" --kubeconfig="$sched" \
    --authentication-kubeconfig="$sched" --authorization-kubeconfig="$sched" \
    --leader-elect=false --bind-address="$LOOP"
  # what the API server may ask of kubelets: exec, logs, port-forward
  kubectl create clusterrolebinding apiserver-kubelet --clusterrole=system:kubelet-api-admin \
    --user=kube-apiserver-kubelet-client --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  answers kube-controller-manager "the default service account" kubectl -n default get serviceaccount default
}

# stop_processes: ask, then insist after 2 s: all that they write is thrown away.
stop_processes() {
  local file files=() deadline=$((SECONDS + 2))
  for file in "$STATE"/pid/*; do
    if running "$file"; then files+=("$file"); kill "$(pid_of "$file")" 2>/dev/null || true; fi
  done
  for file in "${files[@]}"; do
    while running "$file" && [ $SECONDS -lt $deadline ]; do sleep 0.1; done
    ! running "$file" || kill -9 "$(pid_of "$file")" 2>/dev/null || true
  done
}
