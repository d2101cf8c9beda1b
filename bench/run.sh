#!/bin/sh
# Compares Daemun with nginx, HAProxy and httputil.ReverseProxy side by side on
# this machine and writes bench/RESULTS.md. Installs what it needs from Debian.
set -eu
cd "$(dirname "$0")/.."
missing=""
for pair in nginx:nginx-core haproxy:haproxy wrk:wrk taskset:util-linux openssl:openssl; do
	PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
	echo "installing$missing"
	sudo=""
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq
	$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
PATH="$PATH:/usr/sbin" ${GO:-go} run ./bench "$@"
