#!/usr/bin/env bash
# verify.sh: everything that can be checked without running the program; runs all checks, then fails
# if any did. "verify.sh quick" leaves out the linters and arm64, whose builds and first runs take many
# minutes on a machine without a cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=hack/tools/tool.sh
failed=() notes=()
# As the program itself is built: on a machine without a cache all dependencies are compiled once, not twice.
export CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false -mod=readonly"

# git: also in a checkout that belongs to another user, as in some CI systems.
git() { command git -c safe.directory="$PWD" "$@"; }

# files: a line per file of the checkout with its hash; what git ignores does not count.
files() { git ls-files -z --cached --others --exclude-standard | xargs -0 sha256sum 2>/dev/null; }

generated() {
  local before after
  before=$(files) || true   # deleted files have no hash
  [ -n "$before" ] || { echo "git lists no files here: is this a checkout?"; return 1; }
  hack/generate.sh
  after=$(files) || true
  [ "$before" = "$after" ] || { echo "not fresh; run \"make generate\" and commit:"; diff <(echo "$before") <(echo "$after") | sed -n 's/^> [0-9a-f]*//p'; return 1; }
}

formatted() {
  local bad; bad=$(git ls-files --cached --others --exclude-standard '*.go' | { xargs ls 2>/dev/null || true; } | xargs gofmt -l)
  [ -z "$bad" ] || { echo "not formatted (gofmt -w):"; echo "$bad"; return 1; }
}

# each COMMAND...: in the folder of every Go module, but for those that have no code and only pin tools.
each() {
  local file dir
  for file in $(git ls-files --cached --others --exclude-standard '*go.mod'); do
    dir=$(dirname "$file")
    [ -n "$(git ls-files --cached --others --exclude-standard "$dir/*.go")" ] || continue
    (cd "$dir" && "$@") || return 1
  done
}

vetted() { each go vet ./... && go vet -tags e2e ./test/...; }

# For arm64, too: no test is built for it but those of "make test-arm64". Without a cache all dependencies are compiled anew.
vetted_arm64() { GOARCH=arm64 go vet ./...; }

linted() { local lint; lint=$($tool golangci-lint) && each "$lint" run --allow-parallel-runners ./...; }

# vulnerabilities: findings fail (exit status 3). A database that cannot be reached does not, but is said.
vulnerabilities() {
  local out status=0
  out=$("$($tool govulncheck)" ./... 2>&1) || status=$?
  case $status in
    0) ;;
    3) echo "$out"; return 1 ;;
    *) echo "$out" | tail -n 3; return 2 ;;
  esac
}

list_scripts() { git ls-files --cached --others --exclude-standard '*.sh' .ci/run; }

scripts() { local f; for f in $(list_scripts); do bash -n "$f" || return 1; done; }

# checked_scripts: variables that a sourced file sets or uses look unused (SC2034) or unset (SC2154) one file at a time.
checked_scripts() { list_scripts | xargs shellcheck --severity=warning --shell=bash --exclude=SC2034,SC2154; }

check() { # check NAME function
  local name=$1 status t0=$SECONDS; shift
  set +e
  ( set -e; "$@" )
  status=$?
  set -e
  case $status:$name in
    0:*) echo "ok      $name ($((SECONDS - t0)) s)" ;;
    2:govulncheck) echo "NOT RUN $name"; notes+=("govulncheck did NOT run: the vulnerability database cannot be reached") ;;
    *) echo "FAILED  $name"; failed+=("$name") ;;
  esac
}

main() {
  check "shell syntax" scripts
  if command -v shellcheck >/dev/null; then
    check shellcheck checked_scripts
  else
    notes+=("shellcheck did NOT run: it is not installed")
  fi
  check gofmt formatted
  check "generated files" generated
  check "go vet" vetted
  check "chart and kustomize" hack/verify-packaging.sh
  if [ "${1:-}" = quick ]; then
    notes+=("go vet for arm64, golangci-lint and govulncheck did NOT run: \"make verify\" runs them")
  else
    check "go vet for arm64" vetted_arm64
    check golangci-lint linted
    check govulncheck vulnerabilities
  fi
  [ ${#notes[@]} = 0 ] || printf '%s\n' "${notes[@]}"
  [ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
}

main "$@"; exit   # on one line: the script may change while it runs
