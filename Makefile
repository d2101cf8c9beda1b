# Targets a person types. "make" alone prints them.
GO       ?= go
FUZZTIME ?= 10s
SOAK     ?= 30m
VERSION  ?= development
IMAGE    ?= docker.io/daemun/daemun:latest
# Statically linked, no C compiler at run time. The race detector needs cgo.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build image test websockets dashboards browser test-cluster bench-cluster race lint fuzz conformance faults soak bench generate check-generate check clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/daemun
	$(GO) build -trimpath -o bin/daemun ./cmd/daemun

image: ## build bin/daemun.tar, the container image, reproducibly and without a container engine (VERSION=v1.2.3 IMAGE=registry/name:tag)
	@mkdir -p bin
	$(GO) run ./deploy/image -version "$(VERSION)" -name "$(IMAGE)" -o bin/daemun.tar

test: ## run all tests (installs curl, openssl, ps and dig if they are missing)
	@sh tools/need.sh curl:curl openssl:openssl ps:procps dig:bind9-dnsutils
	$(GO) test ./...

test-cluster: ## run the tests against a real Kubernetes (builds it once, 8 to 17 minutes; installs iproute2, and containerd as root)
	@sh tools/need.sh ip:iproute2
	@{ [ "$$(id -u)" = 0 ] && sh tools/need.sh containerd:containerd runc:runc nft:nftables iptables:iptables conntrack:conntrack /usr/lib/cni/bridge:containernetworking-plugins; } \
		|| echo "NOT TESTED: real nodes, which need root and containerd" >&2
	cd test/cluster && $(GO) test -count=1 -timeout 60m ./...

bench-cluster: ## what 1,000 and 10,000 Ingresses cost, and how fast changes are served, with a real API server
	@sh tools/need.sh ip:iproute2
	cd test/cluster && for n in 1000 10000; do $(GO) test -count=1 -timeout 60m -v -run 'TestScale$$' . -scale $$n -samples 100 || exit 1; done

race: ## run all tests under the race detector (installs gcc if it is missing)
	@sh tools/need.sh curl:curl openssl:openssl ps:procps dig:bind9-dnsutils gcc:gcc gcc:libc6-dev
	CGO_ENABLED=1 $(GO) test -race ./...

lint: ## gofmt, go vet, golangci-lint (builds it at first use), go.mod tidy
	@sh tools/lint.sh

fuzz: ## run every fuzz target for FUZZTIME (10s, or 1000x inputs) each
	@GO="$(GO)" sh tools/fuzz.sh $(FUZZTIME)

dashboards: ## evaluate dashboards and alerts with Prometheus's engine over what the program exposes
	@cd test/dashboards && $(GO) test -count=1 ./...

conformance: ## run the suites of others against the program: h2spec, testssl.sh, gRPC interop; nginx and HAProxy as second readers, PHP as application (installs them)
	@set -- /usr/sbin/php-fpm*; sh tools/need.sh nginx:nginx-core haproxy:haproxy "$$1:php-fpm" testssl:testssl.sh openssl:openssl \
		/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so:libnginx-mod-http-headers-more-filter
	@for d in test/conformance test/interop; do (cd $$d && $(GO) test -count=1 -timeout 30m ./...) || exit 1; done

faults: ## break the program in one way after the other and look after each of them, on one processor as well; set its clock to anything
	$(GO) test -count=1 -timeout 30m ./test/faults -each

websockets: ## hold WEBSOCKETS (10000) idle ones, plain and with TLS, through changes, and print what each costs
	@$(GO) run ./test/soak -websockets $(or $(WEBSOCKETS),10000)

soak: ## run everything at once for SOAK (30m): all protocols, changes, slow and hostile clients; prints a table
	@$(GO) run ./test/soak -for $(SOAK)

browser: ## look at the dashboard with a real browser (installs chromium; SCREENSHOTS=folder keeps pictures)
	@sh tools/need.sh chromium:chromium openssl:openssl
	cd test/browser && $(GO) test -count=1 -timeout 30m ./...

bench: ## compare with nginx, HAProxy, Caddy, Knot and others, 20 minutes; BENCH=http chooses; writes bench/RESULTS.md
	@GO="$(GO)" sh bench/run.sh

generate: ## write the generated references under docs/
	$(GO) test ./internal/codebase ./cmd/daemun -run TestGenerated -update

check-generate: ## fail if a generated file is out of date
	$(GO) test ./internal/codebase ./cmd/daemun -run TestGenerated -count=1

check: ## everything CI runs: lint, test, race, short fuzz, suites of others, dashboards (also in a browser), tests against a real Kubernetes
	$(MAKE) lint
	@sh tools/need.sh zsh:zsh fish:fish
	$(MAKE) test
	$(MAKE) race
	$(MAKE) faults
	$(MAKE) fuzz FUZZTIME=2000x
	$(MAKE) conformance
	$(MAKE) dashboards
	$(MAKE) browser
	$(MAKE) test-cluster

clean: ## remove what make built
	rm -rf bin
