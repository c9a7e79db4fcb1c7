#!/usr/bin/env bash
# verify-packaging.sh: kustomize and the chart render the same objects; the chart refuses wrong values.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=hack/tools/tool.sh
HELM=$("$tool" helm) KUBECTL=$("$tool" kubectl)
export HELM KUBECTL
"$HELM" lint --quiet charts/olmoe-operator
go test -count=1 ./config
