#!/usr/bin/env bash
# test.sh PART...: run the parts (unit, conformance, e2e), then say what passed; fails if any test did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. hack/need.sh
tool=hack/tools/tool.sh
not_run=77   # the exit status of a part that this machine does not allow

# gotest NAME FORMAT ARGS...: go test, counted; the formats are gotestsum's. Fails if there is no test, as after -run with a
# name that no test has any more.
gotest() {
  local name=$1 format=$2 status=0; shift 2
  "$gotestsum" --format "$format" --hide-summary=skipped --jsonfile "$results/$name.json" -- "$@" || status=1
  grep -q '"Action":"run"' "$results/$name.json" || { echo "no test ran: go test $*" >&2; return 1; }
  return $status
}

# norace: the tests that the race detector disturbs, or makes ten times longer (its build leaves their files out), in a build
# as the program's own.
norace() {
  local files names
  files=$(grep -rl --include='*_test.go' '^//go:build.*!race' .)
  # shellcheck disable=SC2086
  names=$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' $files | paste -sd '|')
  # shellcheck disable=SC2046,SC2086
  CGO_ENABLED=0 gotest norace pkgname-and-test-fails -trimpath -run "^($names)\$" $(dirname $files | sort -u)
}

# unit: -race needs a C compiler; the API server and etcd are built here, never downloaded.
unit() {
  local status=0 race=(-race)
  export CGO_ENABLED=1
  if ! need gcc gcc libc6-dev; then
    race=() CGO_ENABLED=0
    echo "The race detector did NOT run: it needs a C compiler." >>"$results/note"
  fi
  KUBEBUILDER_ASSETS=$(dirname "$($tool etcd kube-apiserver | tail -1)")
  HELM=$($tool helm) KUBECTL=$($tool kubectl)
  export KUBEBUILDER_ASSETS HELM KUBECTL
  # Pure functions have no races, and the detector makes their long searches ten times longer. Plans, of layers at the same
  # time, are made under it once.
  local pure=(./internal/placement ./internal/placement/planner ./internal/autoscale ./internal/poolsim ./controllers/rollout)
  # What starts helm, kubectl, the demo's scripts or the program: go test's cache does not see those, so it is not asked. Their
  # children have no race detector in any case.
  local starters=(./config ./hack/demo ./test/golden ./test/processes)
  local others; others=$(go list ./... | grep -vxFf <(go list "${pure[@]}" "${starters[@]}"))
  # shellcheck disable=SC2086
  gotest unit pkgname-and-test-fails "${race[@]}" -timeout 20m $others || status=1
  gotest plans pkgname-and-test-fails "${race[@]}" -run CPUs ./internal/placement/planner || status=1
  CGO_ENABLED=0 gotest starters pkgname-and-test-fails -trimpath -count=1 "${starters[@]}" || status=1
  CGO_ENABLED=0 gotest pure pkgname-and-test-fails -trimpath "${pure[@]}" || status=1
  norace || status=1
  # Modules of their own. They read pages and manifests of the repository, which go test's cache does not see from there.
  local module
  for module in hack/image hack/tools/licenses test/gitops test/monitoring; do
    (cd "$module" && CGO_ENABLED=0 gotest "${module##*/}" pkgname-and-test-fails -trimpath -count=1 ./...) || status=1
  done
  return $status
}

# conformance: the official clients against "olmoe up" with a synthetic model.
conformance() {
  local url status=0
  need node nodejs npm
  need npm npm
  make --no-print-directory build
  go run ./hack/mkmodel --preset demo --out "$results/model"
  bin/olmoe up --model "$results/model" --listen 127.0.0.1:0 >"$results/up.log" &
  local server=$!
  for _ in $(seq 300); do
    url=$(sed -n 's/^ready //p' "$results/up.log")
    [ -z "$url" ] && kill -0 $server 2>/dev/null || break
    sleep 0.2
  done
  test/conformance/run.sh "${url:?olmoe up did not get ready in 60 s}" | tee "$results/conformance.txt" || status=1
  kill -INT $server; wait $server || status=1
  return $status
}

# can_have_nodes: nodes need namespaces and bridges; a container without privileges has neither.
can_have_nodes() { [ "$(id -u)" = 0 ] && unshare --mount --pid --net --uts --fork true 2>/dev/null; }
one_at_a_time() { # all end-to-end runs on a machine use one instance of the cluster
  local cache=${OLMOE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/olmoe-operator}
  mkdir -p "$cache"
  exec 9>"$cache/e2e.lock"
  flock -n 9 || { echo "another end-to-end run is on; waiting for it"; flock 9; }
}
e2e() {
  if ! can_have_nodes; then
    echo "The end-to-end part did NOT run: it needs root and the right to make namespaces." >>"$results/note"
    return "$not_run"
  fi
  export CGO_ENABLED=0   # as the program itself is built: shared packages are compiled once
  one_at_a_time
  # Before the tests, whose time limit is theirs: from nothing this takes longer than all of them.
  hack/cluster/cluster.sh tools
  $tool helm >/dev/null
  make --no-print-directory build
  gotest e2e standard-verbose -tags e2e -count=1 -timeout 15m ./test/e2e 9>&-
}

# count ACTION WORD: tests of all parts that ended so; WORD is what the conformance clients print.
count() {
  {
    cat "$results"/*.json 2>/dev/null | grep "\"Action\":\"$1\".*\"Test\":" || true
    sed -n "s/.*\b\([0-9][0-9]*\) $2.*/\1/p" "$results/conformance.txt" 2>/dev/null | xargs -r -n1 seq || true
  } | wc -l
}

# run_part PART: in a condition bash would go on after a failed command inside; a subshell does not.
run_part() {
  local status t0=$SECONDS
  echo "== $1"
  set +e
  ( set -e; "$1" )
  status=$?
  set -e
  case $status in
    0) echo "== $1: passed in $((SECONDS - t0)) s" ;;
    "$not_run") echo "== $1: NOT RUN" ;;
    *) echo "== $1: FAILED in $((SECONDS - t0)) s"; failed+=("$1") ;;
  esac
}

main() {
  local part failed=()
  results=$(mktemp -d)
  trap 'rm -rf "$results"' EXIT
  gotestsum=$($tool gotestsum)
  for part in "$@"; do run_part "$part"; done
  [ ${#failed[@]} = 0 ] || echo "failed: ${failed[*]}"
  echo "$(count pass passed) passed, $(count fail failed) failed, $(count skip skipped) skipped"
  if grep -qs 'no golden data' "$results"/*.json; then
    echo "Golden data was NOT compared: some is missing (docs/development.md)." >>"$results/note"
  fi
  [ ! -e "$results/note" ] || cat "$results/note"   # the last line, where it is seen
  [ ${#failed[@]} = 0 ]
}

main "$@"; exit   # on one line: the script may change while it runs
