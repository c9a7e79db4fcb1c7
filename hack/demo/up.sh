#!/usr/bin/env bash
# up.sh: from nothing to a streamed answer; "make demo".
#
#   DEMO_KUBECONFIG   use this cluster instead of making one; then IMAGE must be set
#   IMAGE             the image, as the cluster pulls it (make image-push puts it there)
#   MODEL             model source, file:///path or pvc://claim[/path]; default: a small synthetic model
set -euo pipefail
IMAGE=${IMAGE:-} MODEL=${MODEL:-} VERSION=${VERSION:-dev}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../cluster/env.sh"
. "$here/lib.sh"
. "$here/../need.sh"
began=$SECONDS

build_program() { make --no-print-directory -C "$ROOT" build >/dev/null; }

own_cluster() {
  step_lines "cluster" "$here/../cluster/cluster.sh" up
  KUBECONFIG_USED=$KUBECONFIG_ADMIN
}

push_image() {
  local digest push
  push=("$(tool image)" push --insecure --binary "$ROOT/bin/olmoe" --licenses "$ROOT/LICENSE,$ROOT/THIRD_PARTY_LICENSES" --version "$VERSION")
  digest=$("${push[@]}" "$REGISTRY/olmoe:build")
  digest=${digest##*:}
  IMAGE=$REGISTRY/olmoe:${digest:0:12}   # another program, another tag: pods follow
  "${push[@]}" "$IMAGE" >/dev/null
}

# make_model: the sample's model, on the file system that the nodes share with this machine.
make_model() {
  [ "$CLUSTER" = demo ] || MODEL=file://$DEMO_MODEL   # an instance of its own has a model of its own
  [ ! -e "$DEMO_MODEL/config.json" ] || return 0
  rm -rf "$DEMO_MODEL.part"
  (cd "$ROOT" && go run ./hack/mkmodel --preset demo --out "$DEMO_MODEL.part" >/dev/null)
  touch "$DEMO_MODEL.part/$OURS"
  mv "$DEMO_MODEL.part" "$DEMO_MODEL"
}

main() {
  need curl curl ca-certificates   # to ask; without it each question would look like no answer
  if [ -n "${DEMO_KUBECONFIG:-}" ]; then
    KUBECONFIG_USED=$DEMO_KUBECONFIG
    [ -n "$IMAGE" ] || die "a cluster of your own pulls the image from your registry: make image-push IMAGE=…, then make demo KUBECONFIG=… IMAGE=…"
    [ -n "$MODEL" ] || die "the sample's model exists only on the demo's own nodes: give MODEL=file:///path/on/every/node or MODEL=pvc://claim"
  else
    need_root
    step "program: bin/olmoe" build_program
    own_cluster
    step "image" push_image
    [ -n "$MODEL" ] || step "model" make_model
  fi
  step "tools: kubectl, helm" find_tools
  refuse_what_is_not_ours
  step "operator, by its chart" install_chart
  step "sample: config/samples/olmoedeployment.yaml" apply_sample
  say "waiting until it is Ready:"
  wait_ready 180
  find_url
  ask
  look_around
  say "all done in $((SECONDS - began)) s"
}
main
