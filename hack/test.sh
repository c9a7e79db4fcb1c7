#!/usr/bin/env bash
# test.sh PART...: run the parts (unit, conformance, e2e), then say what passed; fails if any test did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=hack/tools/tool.sh
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed=()

# gotest NAME FORMAT ARGS...: go test, counted; the formats are gotestsum's.
gotest() {
  local name=$1 format=$2; shift 2
  "$($tool gotestsum)" --format "$format" --hide-summary=skipped --jsonfile "$results/$name.json" -- "$@"
}

# unit: -race needs a C compiler; the API server and etcd are built here, never downloaded.
unit() {
  KUBEBUILDER_ASSETS=$(dirname "$($tool etcd kube-apiserver | tail -1)")
  export KUBEBUILDER_ASSETS CGO_ENABLED=1
  local status=0
  gotest unit pkgname -race -timeout 20m ./... || status=1
  (cd hack/image && gotest image pkgname ./...) || status=1
  return $status
}

# conformance: OpenAI's own clients against router and expert-node processes.
conformance() {
  make --no-print-directory build
  CGO_ENABLED=0 go run -trimpath ./hack/mkmodel --preset demo --out "$results/model"
  bin/olmoe up --model "$results/model" --listen 127.0.0.1:0 >"$results/up" &
  local up=$! url='' status=0
  trap 'kill -INT $up 2>/dev/null; wait $up' EXIT
  for _ in $(seq 600); do
    url=$(sed -n 's/^ready //p' "$results/up")
    [ -z "$url" ] && kill -0 $up 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$url" ] || { echo "error: olmoe up is not ready after a minute" >&2; return 1; }
  test/conformance/run.sh "$url" 2>&1 | tee "$results/conformance" || status=1
  return $status
}

# can_have_nodes: nodes need namespaces and bridges; a container without privileges has neither.
can_have_nodes() { [ "$(id -u)" = 0 ] && unshare --mount --pid --net --uts --fork true 2>/dev/null; }
e2e() {
  if ! can_have_nodes; then
    echo "The end-to-end part did NOT run: it needs root and the right to make namespaces." >"$results/note"
    return
  fi
  make --no-print-directory build
  export CGO_ENABLED=0   # as the program itself is built: shared packages are compiled once
  gotest e2e standard-verbose -tags e2e -count=1 -timeout 15m ./test/e2e
}

count() { # count ACTION: tests, in all parts, that ended so
  local go clients
  go=$(cat "$results"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true)
  clients=$(sed -n "s/^.*\b\([0-9][0-9]*\) ${1}ed.*/\1/p" "$results/conformance" 2>/dev/null | paste -sd+ | grep . || echo 0)
  echo $((go + clients))
}

for part in "$@"; do
  t0=$SECONDS
  echo "== $part"
  # In a condition bash would go on after a failed command inside; a subshell that is waited for does not.
  set +e
  ( set -e; "$part" )
  status=$?
  set -e
  [ $status = 0 ] || failed+=("$part")
  echo "== $part: $([ $status = 0 ] && echo passed || echo FAILED) in $((SECONDS - t0)) s"
done
[ ${#failed[@]} = 0 ] || echo "failed: ${failed[*]}"
echo "$(count pass) passed, $(count fail) failed, $(count skip) skipped"
[ ! -e "$results/note" ] || cat "$results/note"   # the last line, where it is seen
[ ${#failed[@]} = 0 ]
