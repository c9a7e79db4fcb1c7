#!/usr/bin/env bash
# arm64.sh: run the kernels' tests that fix bits, built for arm64, with QEMU's user mode: the portable
# kernels must give the bits of every other CPU. Exit status 77: it did not run, and says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. hack/need.sh
. hack/emulate/lib.sh
tools qemu-user
export GOARCH=arm64 CGO_ENABLED=0
go vet ./internal/kernels
go test -trimpath -short -count=1 -v -exec qemu-aarch64 -run 'Int8|SameBits|LimitLoops|Choose|Name|Portable' ./internal/kernels
