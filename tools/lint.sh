#!/bin/sh
# Formatting, vet, linters and module hygiene. golangci-lint is pinned in
# tools/go.mod and built at first use; that takes some minutes once.
set -eu
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l cmd internal bench deploy examples test 2>/dev/null || true)
if [ -n "$unformatted" ]; then
	echo "not formatted, run gofmt -w:" >&2
	echo "$unformatted" >&2
	exit 1
fi
go vet ./...
go mod verify
go mod tidy -diff
modules="test/cluster test/browser test/conformance test/interop test/dashboards"
for module in $modules; do
	(cd "$module" && go vet ./... && go mod tidy -diff)
done
mkdir -p bin
if [ ! -x bin/golangci-lint ] || [ tools/go.sum -nt bin/golangci-lint ]; then
	echo "building golangci-lint (once; a few minutes)"
	go build -modfile=tools/go.mod -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
fi
bin/golangci-lint run ./...
for module in $modules; do
	(cd "$module" && ../../bin/golangci-lint run ./...)
done
