#!/usr/bin/env bash
# generate.sh: make every generated file anew; verify.sh checks that this changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=hack/tools/tool.sh

# Descriptions over 600 characters come from Kubernetes' own pod types and would make the CRDs too
# large for "kubectl apply" on the client's side (262144 bytes).
"$($tool controller-gen)" object applyconfiguration crd:maxDescLen=600 paths=./api/... output:crd:dir=config/crd
cp config/crd/serving.olmoe.dev_*.yaml charts/olmoe-operator/crds/
cp config/monitoring/{podmonitor.yaml,servicemonitor.yaml,prometheusrule.yaml,olmoe.json} charts/olmoe-operator/files/
go run ./hack/refdocs config/crd/serving.olmoe.dev_olmoedeployments.yaml config/crd/serving.olmoe.dev_expertpools.yaml >docs/reference/api.md

# What says //go:generate: the control API and the assembly kernels. All of it with Go alone.
go generate ./...

GOOS=linux GOARCH=amd64 CGO_ENABLED=0 "$($tool licenses)" -texts THIRD_PARTY_LICENSES ./cmd/olmoe >docs/licenses.md
