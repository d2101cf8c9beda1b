#!/bin/sh
# Makes a self-signed certificate for secure.localhost and prints it as the
# Secret that tls.yaml names.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
openssl req -x509 -newkey rsa:2048 -nodes -days 365 \
	-keyout "$dir/tls.key" -out "$dir/tls.crt" \
	-subj "/CN=secure.localhost" -addext "subjectAltName=DNS:secure.localhost" 2>/dev/null
cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: secure-tls
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 "$dir/tls.crt")
  tls.key: $(base64 -w0 "$dir/tls.key")
YAML
