#!/bin/sh
# Compares Daemun with nginx, HAProxy and httputil.ReverseProxy side by side on
# this machine and writes bench/RESULTS.md. Installs what it needs from Debian.
set -eu
cd "$(dirname "$0")/.."
sh tools/need.sh nginx:nginx-core haproxy:haproxy wrk:wrk taskset:util-linux openssl:openssl
PATH="$PATH:/usr/sbin" ${GO:-go} run ./bench "$@"
# The section about layer 4 goes behind.
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || sh tools/need.sh no-command:libnginx-mod-stream
PATH="$PATH:/usr/sbin" ${GO:-go} run ./bench/l4 "$@"
