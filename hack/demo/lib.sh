# lib.sh: what the demo and the end-to-end test do to a cluster; sourced after cluster/env.sh.
# It uses KUBECONFIG_USED, IMAGE and MODEL.

NAMESPACE=default
NAME=demo
OPERATOR_NAMESPACE=olmoe-system RELEASE=olmoe-operator SETTINGS=()
# On a cluster of your own, a release and a namespace that nobody else has, and rights where the sample is only.
if [ -n "${DEMO_KUBECONFIG:-}" ]; then
  OPERATOR_NAMESPACE=olmoe-demo RELEASE=olmoe-demo SETTINGS=(--set "watchNamespaces={$NAMESPACE}")
fi
MARK=olmoe.dev/made-by=demo              # the label of what the demo made: it changes and removes nothing else
CHART=$ROOT/charts/olmoe-operator
DEMO_MODEL=/var/lib/olmoe/models/demo   # where the sample looks for it
OURS=.made-by-the-demo                   # in a model folder: demo-down may delete it
if [ "$CLUSTER" != demo ]; then DEMO_MODEL=$STATE/models/demo; fi

kube() { "$KUBECTL" --kubeconfig="$KUBECONFIG_USED" "$@"; }

find_tools() {
  KUBECTL=$(tool kubectl)
  HELM=$(tool helm)
}

# step_lines NAME command...: a step that prints lines of its own.
step_lines() {
  local name=$1 t0=$SECONDS; shift
  say "$name:"
  "$@" | sed -u 's/^/  /'
  say "$name took $((SECONDS - t0)) s"
}

# whose KIND NAME...: nobody's (it is not there), demo's or somebody's; on the demo's own cluster all is the demo's, marked
# or not: former versions did not mark. Fails where the cluster does not tell, so call it in an assignment of its own,
# after which "set -e" ends the script.
whose() {
  local found; found=$(kube get "$@" --ignore-not-found -o 'jsonpath=found:{.metadata.labels.olmoe\.dev/made-by}') || return
  if [ -z "$found" ]; then echo "nobody's"
  elif [ "$found" = found:demo ] || [ -z "${DEMO_KUBECONFIG:-}" ]; then echo "demo's"
  else echo "somebody's"; fi
}
whose_sample() {
  local crd; crd=$(whose crd olmoedeployments.serving.olmoe.dev) || return
  [ "$crd" != "nobody's" ] || { echo "nobody's"; return; }
  whose olmoe "$NAME" -n "$NAMESPACE"
}
other_operators() { kube get deployments -A -l app.kubernetes.io/name=olmoe-operator --field-selector "metadata.namespace!=$OPERATOR_NAMESPACE" "$@"; }
# apply_marked ARGS...: apply the manifest that comes in, with the mark from its first moment on.
apply_marked() { "$KUBECTL" label --local -f - "$MARK" -o yaml | kube apply "$@" -f - >/dev/null; }

# refuse_what_is_not_ours: before anything is changed.
refuse_what_is_not_ours() {
  local other space sample
  other=$(other_operators -o 'jsonpath={.items[*].metadata.namespace}')
  [ -z "$other" ] || die "an operator runs in namespace ${other%% *} already, which would work on the demo as well: give it an OLMoEDeployment (docs/install.md) instead of the demo"
  space=$(whose namespace "$OPERATOR_NAMESPACE")
  [ "$space" != "somebody's" ] || die "namespace $OPERATOR_NAMESPACE is there, and the demo did not make it: remove it or rename yours"
  sample=$(whose_sample)
  [ "$sample" != "somebody's" ] || die "OLMoEDeployment $NAME in namespace $NAMESPACE is there, and the demo did not make it: rename yours"
}

# install_crds: also updates the demo's own, which Helm would not, and whoever applied them first. Somebody else's stay as
# they are.
install_crds() {
  local file owner
  for file in "$CHART"/crds/*.yaml; do
    owner=$(whose -f "$file")
    [ "$owner" = "somebody's" ] || apply_marked --server-side --force-conflicts <"$file"
  done
}

# install_chart: also updates the demo's operator.
install_chart() {
  "$KUBECTL" create namespace "$OPERATOR_NAMESPACE" --dry-run=client -o yaml | apply_marked
  install_crds
  "$HELM" upgrade --install "$RELEASE" "$CHART" --kubeconfig="$KUBECONFIG_USED" \
    --namespace "$OPERATOR_NAMESPACE" --skip-crds --wait --timeout 120s "${SETTINGS[@]}" \
    --set "image.repository=${IMAGE%:*}" --set-string "image.tag=${IMAGE##*:}" >/dev/null
}

apply_sample() {
  sed "${MODEL:+s|source: .*|source: $MODEL|}" "$ROOT/config/samples/olmoedeployment.yaml" | apply_marked -n "$NAMESPACE"
  follow_image
}

# follow_image: pods keep the image they were made with, whatever happens to the operator (ADR 0072); a
# deployment that is there from an earlier run has to be told of the program built since.
follow_image() {
  local running
  running=$(kube get olmoe "$NAME" -n "$NAMESPACE" -o 'jsonpath={.status.image}')
  [ -n "$running" ] && [ "$running" != "$IMAGE" ] || return 0
  kube patch olmoe "$NAME" -n "$NAMESPACE" --type merge -p "{\"spec\": {\"image\": \"$IMAGE\"}}" >/dev/null
  # what Ready says must be about the new image, or it would be believed too early
  wait_for 20 "the operator to see the new image" image_seen
}

image_seen() { [ "$(kube get olmoe "$NAME" -n "$NAMESPACE" -o 'jsonpath={.status.image}')" = "$IMAGE" ]; }

# wait_ready SECONDS: shows each change of the object's printed line; if time is up, what it says is wrong.
wait_ready() {
  local end=$((SECONDS + $1)) line='' last='' t0=$SECONDS
  while [ $SECONDS -lt $end ]; do
    line=$(kube get olmoe "$NAME" -n "$NAMESPACE" -o "$PROGRESS" 2>/dev/null) || true
    [ "$line" = "$last" ] || printf '  %3d s  %s\n' $((SECONDS - t0)) "$line"
    last=$line
    case $line in True*) return ;; esac
    sleep 0.5
  done
  say "not Ready in $1 s:" >&2
  kube get olmoe "$NAME" -n "$NAMESPACE" -o 'jsonpath={range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}' >&2
  kube get pods -A -o wide >&2
  return 1
}
PROGRESS='jsonpath={.status.conditions[?(@.type=="Ready")].status} routers {.status.summary.routers}, expert nodes {.status.summary.expertNodes}, experts {.status.summary.experts}  ({.status.conditions[?(@.type=="Ready")].reason})'

# find_url: on our own cluster this machine reaches Services directly; elsewhere by a port-forward.
find_url() {
  local endpoint service port
  endpoint=$(kube get olmoe "$NAME" -n "$NAMESPACE" -o 'jsonpath={.status.endpoint}')
  service=${endpoint#http://}; service=${service%%.*}
  port=$(kube get service "$service" -n "$NAMESPACE" -o 'jsonpath={.spec.ports[0].port}')
  if [ -z "${DEMO_KUBECONFIG:-}" ]; then
    URL=http://$(kube get service "$service" -n "$NAMESPACE" -o 'jsonpath={.spec.clusterIP}'):$port
    return
  fi
  URL=http://127.0.0.1:18000
  FORWARD="kubectl --kubeconfig=$DEMO_KUBECONFIG port-forward -n $NAMESPACE service/$service 18000:$port"
  "$KUBECTL" --kubeconfig="$KUBECONFIG_USED" port-forward -n "$NAMESPACE" "service/$service" "18000:$port" >/dev/null 2>&1 &
  FORWARD_PID=$!
  trap stop_forward EXIT
  wait_for 20 "the port-forward" curl -sf "$URL/health"
}

stop_forward() { kill "$FORWARD_PID" 2>/dev/null || true; }

# ask: a chat request, its text shown as it arrives.
ask() {
  local question='Hello, who are you?' t0=$SECONDS
  MODEL_ID=$(curl -sSf --max-time 10 "$URL/v1/models" | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p')
  say ""
  say "POST $URL/v1/chat/completions, streamed:"
  say "  user:      $question"
  printf '  assistant: '
  curl -sSfN --max-time 60 "$URL/v1/chat/completions" -H 'Content-Type: application/json' \
    -d "{\"model\": \"$MODEL_ID\", \"stream\": true, \"max_tokens\": 48, \"temperature\": 0, \"messages\": [{\"role\": \"user\", \"content\": \"$question\"}]}" |
    show_stream
  printf '\n  (%d s)\n' $((SECONDS - t0))
}

# show_stream: the text of server-sent chat events; JSON's escapes are ones that printf's %b knows.
show_stream() {
  local piece got=
  while IFS= read -r piece; do
    printf '%b' "${piece//\\\"/\"}"; got=1
  done < <(sed -un 's/^data: .*"content":"\(\([^"\\]\|\\.\)*\)".*/\1/p')
  [ -n "$got" ] || { echo; echo "error: the answer held no text" >&2; return 1; }
}

look_around() {
  say ""
  kube get olmoe -n "$NAMESPACE"
  cat <<TEXT

Look around:
  export KUBECONFIG=$KUBECONFIG_USED
  export PATH=$(dirname "$KUBECTL"):\$PATH          # a kubectl of the cluster's version
  kubectl get olmoe,expertpools,pods -o wide
  kubectl describe olmoe $NAME
${FORWARD:+  $FORWARD &
}  curl $URL/v1/models
  curl -N $URL/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{"model": "$MODEL_ID", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
When done: make demo-down${DEMO_KUBECONFIG:+ KUBECONFIG=$DEMO_KUBECONFIG}
TEXT
}
