#!/bin/sh
# Compares Daemun side by side on this machine with nginx, HAProxy and
# httputil.ReverseProxy, its layer 4 with the former two, its DNS with Knot and
# Unbound, and writes bench/RESULTS.md. Takes about ten minutes. Arguments are
# those of the first comparison, and leave out the others. Installs what it
# needs from Debian.
set -eu
cd "$(dirname "$0")/.."
stream=nginx
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || stream=nginx-stream # no command of that name: it is installed
sh tools/need.sh nginx:nginx-core haproxy:haproxy wrk:wrk h2load:nghttp2-client taskset:util-linux openssl:openssl "$stream:libnginx-mod-stream"
PATH="$PATH:/usr/sbin"
export PATH
${GO:-go} run ./bench "$@"
if [ $# = 0 ]; then
	${GO:-go} run ./bench/l4
	sh bench/dns/run.sh
fi
