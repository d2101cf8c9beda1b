#!/bin/sh
# Runs every fuzz target of the module for the given time ("10s") or number of
# inputs ("1000x") each.
set -eu
cd "$(dirname "$0")/.."
time=${1:-10s}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# one DIR TARGET: a run that is over its time may end with "context deadline
# exceeded" although nothing was found: a fault of go test, told from a finding
# by the failing input that a finding writes.
one() {
	echo "fuzz $1 $2 $time"
	if ! $go test "./$1" -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 10x >"$log" 2>&1; then
		if ! grep -q 'context deadline exceeded' "$log" || grep -q 'Failing input written' "$log"; then
			cat "$log"
			return 1
		fi
	fi
	grep 'execs:' "$log" | tail -n 1
}

for dir in $(grep -rl --include='*_test.go' '^func Fuzz' internal cmd | xargs -n1 dirname | sort -u); do
	for target in $(grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort -u); do
		one "$dir" "$target"
	done
done
