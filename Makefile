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

# Settings, as "make help" lists them after "#? ".
#? KUBECONFIG=FILE    demo, demo-down: your own cluster (needs IMAGE and MODEL)
DEMO_KUBECONFIG := $(if $(filter command line,$(origin KUBECONFIG)),$(KUBECONFIG))
#? IMAGE=NAME:TAG     image-push: where to; demo: where your cluster pulls from
IMAGE ?=
#? MODEL=SOURCE       demo: file:///path on every node, or pvc://claim
MODEL ?=
#? BENCH_MODEL=DIR    bench: the checkpoint to measure (default: made, 14 GB)
BENCH_MODEL ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/olmoe-operator/models/full
#? FUZZTIME=30s       fuzz: how long each target is tried
FUZZTIME ?= 30s
#? SOAK_STEPS=1000000 soak: how many events
SOAK_STEPS ?= 1000000
#? OLMOE_GOLDEN=DIR   test, test-unit: golden vectors (docs/development.md)

##@ Use

.PHONY: demo
demo: ## A cluster, the operator, a model, an answer
	@DEMO_KUBECONFIG='$(DEMO_KUBECONFIG)' IMAGE='$(IMAGE)' MODEL='$(MODEL)' VERSION='$(VERSION)' hack/demo/up.sh

.PHONY: demo-down
demo-down: ## Remove the demo and all it made, but built tools
	@DEMO_KUBECONFIG='$(DEMO_KUBECONFIG)' hack/demo/down.sh

##@ Build

.PHONY: build
build: ## bin/olmoe, one static program in all roles
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/olmoe ./cmd/olmoe

.PHONY: image
image: build ## dist/olmoe-image.tar, for ctr or docker load
	@mkdir -p dist
	$$($(TOOL) image) save --binary bin/olmoe $(LICENSES) --version '$(VERSION)' --tag olmoe:$(VERSION) dist/olmoe-image.tar

.PHONY: image-push
image-push: build ## Push the image to IMAGE
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
test: ## All tests: the three below
	@hack/test.sh unit conformance e2e

.PHONY: test-unit
test-unit: ## Unit and golden tests, a real API server
	@hack/test.sh unit

.PHONY: test-conformance
test-conformance: ## The official OpenAI clients against the server
	@hack/test.sh conformance

.PHONY: test-e2e
test-e2e: ## A real cluster, from nothing to nothing (root)
	@hack/test.sh e2e

.PHONY: test-avx512
test-avx512: ## The kernels with AVX-512, on an emulated CPU if this one has none (Debian, root)
	@hack/emulate/kernels.sh

.PHONY: test-arm64
test-arm64: ## The kernels' bits, frames, checkpoints and expert nodes as arm64 (Debian, root)
	@hack/emulate/arm64.sh

.PHONY: verify
verify: ## Generated files, format, linters, vulnerabilities
	@hack/verify.sh

.PHONY: verify-quick
verify-quick: ## The same without arm64, linters and vulnerabilities
	@hack/verify.sh quick

.PHONY: fuzz
fuzz: ## Each fuzz target for FUZZTIME
	@FUZZTIME='$(FUZZTIME)' hack/fuzz.sh

.PHONY: soak
soak: ## A long simulation of operator, pods and routers
	@CGO_ENABLED=0 go test -trimpath -count=1 -timeout 24h -run '^TestSoak$$' -v ./test/simulation -args -soak $(SOAK_STEPS)

.PHONY: bench
bench: build ## Speed beside what this machine allows
	@[ -e '$(BENCH_MODEL)/config.json' ] || CGO_ENABLED=0 go run -trimpath ./hack/mkmodel --preset full --out '$(BENCH_MODEL)'
	@bin/olmoe bench --model '$(BENCH_MODEL)' --weights int8 --starts 5
	@bin/olmoe bench --model '$(BENCH_MODEL)' --decode 1 --prefill 512 --dispatch 1

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2} \
		/^#\? / {settings = settings "  " substr($$0, 4) "\n"} END {printf "\nSettings (make TARGET NAME=value)\n%s", settings}' $(MAKEFILE_LIST)
