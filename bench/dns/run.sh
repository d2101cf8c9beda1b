#!/bin/sh
# Compares internal/dns with Knot and Unbound side by side on this machine and
# writes its section of bench/RESULTS.md. Installs what it needs from Debian.
set -eu
cd "$(dirname "$0")/../.."
sh tools/need.sh dnsperf:dnsperf knotd:knot unbound:unbound taskset:util-linux >&2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
${GO:-go} build -trimpath -o "$dir/dns" ./bench/dns
PATH="$PATH:/usr/sbin" "$dir/dns" "$@"
