#!/usr/bin/env bash
# test.sh PART...: run the parts (unit, conformance, e2e), then say what passed; fails if any test did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=hack/tools/tool.sh
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
failed=()

# gotest NAME ARGS...: go test, counted.
gotest() {
  local name=$1; shift
  "$($tool gotestsum)" --format pkgname-and-test-fails --hide-summary=skipped --jsonfile "$results/$name.json" -- "$@"
}

# unit: -race needs a C compiler; the API server and etcd are built here, never downloaded.
unit() {
  KUBEBUILDER_ASSETS=$(dirname "$($tool etcd kube-apiserver | tail -1)")
  export KUBEBUILDER_ASSETS CGO_ENABLED=1
  local status=0
  gotest unit -race -timeout 20m ./... || status=1
  (cd hack/image && gotest image ./...) || status=1
  return $status
}

conformance() { test/conformance/run.sh; }

# can_have_nodes: nodes need namespaces and bridges; a container without privileges has neither.
can_have_nodes() { [ "$(id -u)" = 0 ] && unshare --mount --pid --net --uts --fork true 2>/dev/null; }
e2e() {
  if ! can_have_nodes; then
    echo "The end-to-end part did NOT run: it needs root and the right to make namespaces." >"$results/note"
    return
  fi
  make --no-print-directory build
  gotest e2e -tags e2e -count=1 -timeout 15m ./test/e2e
}

count() { # count ACTION: tests, in all parts, that ended so
  cat "$results"/*.json 2>/dev/null | grep -c "\"Action\":\"$1\".*\"Test\":" || true
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
