# The project's commands; "make help" lists them. Whatever they need beyond Go is built or installed
# by themselves: tools from the Go module proxy (hack/tools), a node's container runtime by apt-get.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# A Go configured in some other way on this machine must not change what is built.
export GOFLAGS := -mod=readonly -buildvcs=false
export GOWORK := off

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/olmoe-serving/olmoe-operator/internal/version.version=$(VERSION)
TOOL := hack/tools/tool.sh
# What the licences of the linked modules ask of an image: their texts are in it.
LICENSES := --licenses LICENSE,THIRD_PARTY_LICENSES

# Where "make image-push" puts the image, and where a cluster of your own pulls it from.
IMAGE ?=
# The checkpoint that "make bench" measures.
BENCH_MODEL ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/olmoe-operator/models/full
# How long "make fuzz" tries each target.
FUZZTIME ?= 30s
# How many events "make soak" simulates.
SOAK_STEPS ?= 1000000
# The demo: a cluster of your own (a kubeconfig), and the checkpoint to serve.
DEMO_KUBECONFIG := $(if $(filter command line,$(origin KUBECONFIG)),$(KUBECONFIG))
MODEL ?=

##@ Use

.PHONY: demo
demo: ## Bring up a cluster, install the operator, serve a model, ask it something (KUBECONFIG=, IMAGE=, MODEL= to use your own)
	@DEMO_KUBECONFIG='$(DEMO_KUBECONFIG)' IMAGE='$(IMAGE)' MODEL='$(MODEL)' VERSION='$(VERSION)' hack/demo/up.sh

.PHONY: demo-down
demo-down: ## Remove every trace of the demo (KUBECONFIG=: of a cluster of your own, what the demo made)
	@DEMO_KUBECONFIG='$(DEMO_KUBECONFIG)' hack/demo/down.sh

##@ Build

.PHONY: build
build: ## bin/olmoe, one static program in all roles
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/olmoe ./cmd/olmoe

.PHONY: image
image: build ## dist/olmoe-image.tar, for "ctr images import" or "docker load"
	@mkdir -p dist
	$$($(TOOL) image) save --binary bin/olmoe $(LICENSES) --version '$(VERSION)' --tag olmoe:$(VERSION) dist/olmoe-image.tar

.PHONY: image-push
image-push: build ## Push the image to IMAGE=registry/name:tag
	@[ -n '$(IMAGE)' ] || { echo 'error: make image-push needs IMAGE=registry/name:tag' >&2; exit 1; }
	$$($(TOOL) image) push --binary bin/olmoe $(LICENSES) --version '$(VERSION)' '$(IMAGE)'

.PHONY: generate
generate: ## Generated code, CRDs, reference, list of licences
	@hack/generate.sh

.PHONY: clean
clean: ## Remove what was built in the checkout
	rm -rf bin dist

##@ Check

.PHONY: test
test: ## Every test: unit and golden, a real API server, OpenAI clients, a real cluster (as root)
	@hack/test.sh unit conformance e2e

.PHONY: test-unit
test-unit: ## Unit and golden tests and a real API server, with the race detector
	@hack/test.sh unit

.PHONY: test-conformance
test-conformance: ## The official OpenAI clients against the server
	@hack/test.sh conformance

.PHONY: test-e2e
test-e2e: ## A real cluster, from nothing to nothing (as root)
	@hack/test.sh e2e

.PHONY: test-avx512
test-avx512: ## The kernels' tests on an emulated CPU with AVX-512 VNNI (Debian: installs Bochs, as root)
	@hack/emulate/kernels.sh

.PHONY: test-arm64
test-arm64: ## The kernels' tests that fix bits, as an arm64 CPU runs them (Debian: installs QEMU, as root)
	@hack/emulate/arm64.sh

.PHONY: verify
verify: ## Generated files are fresh, code is formatted, linters and vulnerability check are clean
	@hack/verify.sh

.PHONY: verify-quick
verify-quick: ## The same without the linters, which take minutes to build and run the first time
	@hack/verify.sh quick

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME
	@FUZZTIME='$(FUZZTIME)' hack/fuzz.sh

.PHONY: soak
soak: ## The simulation of operator, pods and routers for SOAK_STEPS steps
	@CGO_ENABLED=0 go test -trimpath -count=1 -timeout 24h -run '^TestSoak$$' -v ./test/simulation -args -soak $(SOAK_STEPS)

.PHONY: bench
bench: build ## Decode, prefill and dispatch as fractions of what this machine allows, int8 and bf16 (BENCH_MODEL=DIR; default: a full-size model is made, 14 GB)
	@[ -e '$(BENCH_MODEL)/config.json' ] || CGO_ENABLED=0 go run -trimpath ./hack/mkmodel --preset full --out '$(BENCH_MODEL)'
	@bin/olmoe bench --model '$(BENCH_MODEL)' --weights int8
	@bin/olmoe bench --model '$(BENCH_MODEL)' --decode 1 --prefill 512 --dispatch 1

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
