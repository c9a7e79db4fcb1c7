#!/bin/sh
# Runs OpenAI's official clients (JavaScript and Go) against a running server:
#   test/conformance/run.sh http://127.0.0.1:8000
# Each prints one line a check and closes with "N passed, N failed". The exit
# status is 0 only if all passed. OLMOE_API_KEY is used if set.
set -eu
if [ $# -ne 1 ]; then
	echo "usage: $0 URL" >&2
	exit 2
fi
OLMOE_BASE_URL=${1%/}
export OLMOE_BASE_URL
cd "$(dirname "$0")"
status=0

echo "== openai (npm)"
# ci installs exactly what package-lock.json pins, with its digests.
(cd js && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --no-audit --no-fund --loglevel=error; } && node conformance.mjs) || status=1

echo "== openai-go"
GOWORK=off go run . || status=1

exit $status
