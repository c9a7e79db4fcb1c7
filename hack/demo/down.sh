#!/usr/bin/env bash
# down.sh: remove every trace of the demo. On a cluster of your own (DEMO_KUBECONFIG): what it installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../cluster/env.sh"
. "$here/lib.sh"

leave_cluster() {
  find_tools
  kube delete olmoe "$NAME" -n "$NAMESPACE" --ignore-not-found --timeout=120s
  "$HELM" uninstall olmoe-operator --kubeconfig="$KUBECONFIG_USED" --namespace "$OPERATOR_NAMESPACE" --ignore-not-found --wait
  kube delete -f "$ROOT/charts/olmoe-operator/crds" --ignore-not-found --timeout=60s
  kube delete namespace "$OPERATOR_NAMESPACE" --ignore-not-found --timeout=60s
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
