#!/bin/sh
# Compares Daemun side by side on this machine with nginx, HAProxy, Caddy and
# httputil.ReverseProxy, its layer 4 with the former two, its DNS with Knot and
# Unbound, and writes the sections of bench/RESULTS.md. Installs what it needs
# from Debian. About twenty minutes, and two cores that do nothing else.
#
# BENCH     parts: http policies swaps scale l4 dns; all of them without it
# CELLS     only cells whose name contains this; writes no file
# DURATION  of one measurement, 1s
# ROUNDS    measurements per cell and program, 3
set -eu
cd "$(dirname "$0")/.."
parts=${BENCH:-http policies swaps scale l4 dns}
stream=nginx
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || stream=nginx-stream # no command of that name: it is installed
sh tools/need.sh nginx:nginx-core haproxy:haproxy wrk:wrk h2load:nghttp2-client taskset:util-linux openssl:openssl "$stream:libnginx-mod-stream"
command -v perf >/dev/null || sh tools/need.sh perf:linux-perf || echo "no perf: cells below 1.3 get no profile" >&2
PATH="$PATH:/usr/sbin"
export PATH
set -- -duration "${DURATION:-1s}" -rounds "${ROUNDS:-3}"
[ -z "${CELLS:-}" ] || set -- "$@" -only "$CELLS"

# A cell that Daemun fails fails the whole at the end, after the other parts; one
# that a peer fails is a result.
failed=0
names=""
for part in $parts; do
	case $part in
	http | policies | swaps | scale) names="$names,$part" ;;
	l4 | dns) ;;
	*)
		echo "bench: no part \"$part\"; there are http, policies, swaps, scale, l4 and dns" >&2
		exit 2
		;;
	esac
done
[ -z "$names" ] || ${GO:-go} run ./bench -parts "${names#,}" "$@" || failed=1
case " $parts " in *" l4 "*) ${GO:-go} run ./bench/l4 "$@" || failed=1 ;; esac
case " $parts " in *" dns "*) sh bench/dns/run.sh "$@" || failed=1 ;; esac
exit $failed
