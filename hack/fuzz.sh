#!/usr/bin/env bash
# fuzz.sh: each fuzz target of the module for FUZZTIME (default 30s).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
git() { command git -c safe.directory="$PWD" "$@"; }   # also in a checkout of another user
count=0
while IFS=: read -r file target; do
  echo "== $target (${file%/*})"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-30s}" "./${file%/*}"
  count=$((count + 1))
done < <(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -Eo '^func Fuzz[A-Za-z0-9_]+' | sed 's/:func /:/')
echo "$count fuzz targets, nothing found"
