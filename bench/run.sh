#!/bin/sh
# Compares Daemun with nginx, HAProxy and httputil.ReverseProxy side by side on
# this machine and writes bench/RESULTS.md. Installs what it needs from Debian.
set -eu
cd "$(dirname "$0")/.."
sh tools/need.sh nginx:nginx-core haproxy:haproxy wrk:wrk h2load:nghttp2-client taskset:util-linux openssl:openssl
PATH="$PATH:/usr/sbin" ${GO:-go} run ./bench "$@"
