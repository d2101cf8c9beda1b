#!/bin/sh
# Makes sure that programs, or files by their whole path, are there: need.sh COMMAND:PACKAGE... installs the
# Debian packages of those that are missing, and says so.
set -eu
missing=""
for pair in "$@"; do
	[ -e "${pair%%:*}" ] || PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair##*:}"
done
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "please install:$missing" >&2
	exit 1
fi
echo "installing$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
