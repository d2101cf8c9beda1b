#!/bin/sh
# Makes certificates in the folder $1: server.crt for partner.example.com,
# ca.crt of the partners, client.crt signed by it, and stranger.crt signed by
# nobody we know. Prints the two Secrets that ingress.yaml names.
set -eu
mkdir -p "$1"
cd "$1"
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 30 -keyout server.key -out server.crt -subj /CN=partner.example.com \
	-addext subjectAltName=DNS:partner.example.com 2>/dev/null
openssl req -x509 $new -days 30 -keyout ca.key -out ca.crt -subj "/CN=Partner CA" 2>/dev/null
openssl req $new -keyout client.key -out client.csr -subj "/O=Acme Ltd/CN=acme" 2>/dev/null
openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out client.crt 2>/dev/null
openssl req -x509 $new -days 30 -keyout stranger.key -out stranger.crt -subj "/O=Acme Ltd/CN=acme" 2>/dev/null
cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: partner-tls
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 server.crt)
  tls.key: $(base64 -w0 server.key)
---
apiVersion: v1
kind: Secret
metadata:
  name: partner-ca
data:
  ca.crt: $(base64 -w0 ca.crt)
YAML
