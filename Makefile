# Targets a person types. "make" alone prints them.
GO       ?= go
FUZZTIME ?= 10s
# Statically linked, no C compiler at run time. The race detector needs cgo.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build test race lint fuzz bench generate check-generate check clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/daemun
	$(GO) build -trimpath -o bin/daemun ./cmd/daemun

test: ## run all tests (installs curl, openssl, ps and dig if they are missing)
	@sh tools/need.sh curl:curl openssl:openssl ps:procps dig:bind9-dnsutils
	$(GO) test ./...

race: ## run all tests under the race detector (installs gcc if it is missing)
	@sh tools/need.sh curl:curl openssl:openssl ps:procps dig:bind9-dnsutils gcc:gcc gcc:libc6-dev
	CGO_ENABLED=1 $(GO) test -race ./...

lint: ## gofmt, go vet, golangci-lint (builds it at first use), go.mod tidy
	@sh tools/lint.sh

fuzz: ## run every fuzz target for FUZZTIME (10s, or 1000x inputs) each
	@GO="$(GO)" sh tools/fuzz.sh $(FUZZTIME)

bench: ## compare with nginx, HAProxy and httputil.ReverseProxy; writes bench/RESULTS.md (needs Debian packages)
	@GO="$(GO)" sh bench/run.sh

generate: ## write the generated references under docs/
	$(GO) test ./internal/codebase -run TestGenerated -update

check-generate: ## fail if a generated file is out of date
	$(GO) test ./internal/codebase -run TestGenerated -count=1

check: ## everything CI runs: lint, test, race, short fuzz
	$(MAKE) lint
	$(MAKE) test
	$(MAKE) race
	$(MAKE) fuzz FUZZTIME=2000x

clean: ## remove what make built
	rm -rf bin
