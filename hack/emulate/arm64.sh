#!/usr/bin/env bash
# arm64.sh: run tests built for arm64 with QEMU's user mode: the portable kernels must give the bits of every other CPU, and
# frames, checkpoints, texts and expert nodes must be what they are elsewhere. Exit status 77: it did not run, and says why.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. hack/need.sh
. hack/emulate/lib.sh
tools qemu-user
export GOARCH=arm64 CGO_ENABLED=0

# tests PACKAGE [TEST FLAG...]
tests() { local package=$1; shift; go test -trimpath -short -count=1 -exec qemu-aarch64 "$@" "$package"; }

go vet ./internal/kernels
tests ./internal/kernels -v -run 'Int8|SameBits|LimitLoops|Choose|Name|Portable'
tests ./internal/wire
tests ./internal/tokenizer
# QEMU does not tell the address of a read beyond the end of a file, by which a changed file is known, and has memory of its own.
tests ./internal/checkpoint -skip 'Guard|TruncatedFile|Resident|ReleaseLeaves'
tests ./internal/model -run 'Int8Chunks|ParseKV|RestOfAPage|HalvesAreInFlight|WhichSteps|GateOrder'
tests ./router/dispatch
tests ./expertnode -run 'AnswersDoNotDepend|EpochsSwitch|RollingRestart|Int8Node|WrongRequests|DamagedFrames|LoadIsWhat'
