#!/bin/sh
# Prints the Secret that ingress.yaml names, with the user $1 and the password
# $2: what `htpasswd -c auth USER` and `kubectl create secret generic
# basic-auth --from-file=auth` make.
set -eu
cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: basic-auth
type: Opaque
stringData:
  auth: |
    $1:$(openssl passwd -apr1 "$2")
YAML
