#!/usr/bin/env bash
# down.sh: remove the demo and all it made, but built tools. On a cluster of your own (DEMO_KUBECONFIG): what the demo made, and nothing else.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../cluster/env.sh"
. "$here/lib.sh"

# leave_cluster: what has the demo's mark goes, the operator after its object; the cluster is somebody's, with
# objects of their own.
leave_cluster() {
  local space sample
  find_tools
  sample=$(whose_sample)
  if [ "$sample" = "demo's" ]; then
    kube delete olmoe "$NAME" -n "$NAMESPACE" --cascade=foreground --timeout=180s
  fi
  space=$(whose namespace "$OPERATOR_NAMESPACE")
  if [ "$space" = "demo's" ]; then
    "$HELM" uninstall "$RELEASE" --kubeconfig="$KUBECONFIG_USED" --namespace "$OPERATOR_NAMESPACE" --ignore-not-found --wait
    kube delete namespace "$OPERATOR_NAMESPACE" --timeout=60s
  fi
  leave_crds
}

# leave_crds: with a CRD go all objects of its kind, in every namespace, and what they serve.
leave_crds() {
  local made objects operators
  made=$(kube get crd -l "$MARK" -o name)
  [ -n "$made" ] || return 0
  objects=$(kube get olmoe,expertpools -A -o name)
  operators=$(other_operators -o name)
  [ -z "$objects$operators" ] || { say "the CRDs stay, because somebody else uses them:" "$objects" "$operators"; return; }
  kube delete crd -l "$MARK" --timeout=60s
}

if [ -n "${DEMO_KUBECONFIG:-}" ]; then
  KUBECONFIG_USED=$DEMO_KUBECONFIG
  leave_cluster
else
  need_root
  [ ! -e "$DEMO_MODEL/$OURS" ] || rm -rf "$DEMO_MODEL"
  rm -rf "$DEMO_MODEL.part"
  "$here/../cluster/cluster.sh" down
  [ "$CLUSTER" != demo ] || say "Built tools stay in $CACHE for the next time; delete it as you like."
fi
