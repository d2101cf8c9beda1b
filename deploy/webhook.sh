#!/bin/sh
# Adds the validating webhook to what deploy/daemun.yaml makes: the API server
# then asks Daemun before it stores an Ingress, and refuses wrong ones with the
# sentence of `daemun lint`. Makes an authority and a certificate for ten years.
# May be run again: it makes new ones.
#
#   sh deploy/webhook.sh            # with kubectl and openssl; KUBECONFIG as usual
#   sh deploy/webhook.sh remove
set -eu
ns=daemun
name=daemun-controller-admission

# deployment sets what the Deployment has for the webhook, and takes away what
# it had; the rest of it belongs to deploy/daemun.yaml.
deployment() {
	kubectl -n $ns apply --server-side --field-manager=daemun-webhook -f -
}

if [ "${1:-}" = remove ]; then
	kubectl delete validatingwebhookconfiguration daemun-admission --ignore-not-found
	kubectl -n $ns delete service $name --ignore-not-found
	echo "{apiVersion: apps/v1, kind: Deployment, metadata: {name: daemun-controller, namespace: $ns}}" | deployment
	kubectl -n $ns delete secret daemun-admission --ignore-not-found
	exit
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
umask 077
pair() { openssl ecparam -genkey -name prime256v1 -noout -out "$dir/$1.key"; }
pair ca
openssl req -x509 -new -key "$dir/ca.key" -subj "/CN=$name-ca" -days 3650 -out "$dir/ca.crt" \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
pair tls
openssl req -new -key "$dir/tls.key" -subj "/CN=$name.$ns.svc" -out "$dir/tls.csr"
printf 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:%s,DNS:%s.%s,DNS:%s.%s.svc\n' $name $name $ns $name $ns >"$dir/tls.ext"
openssl x509 -req -in "$dir/tls.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
	-extfile "$dir/tls.ext" -out "$dir/tls.crt" 2>/dev/null

kubectl -n $ns create secret generic daemun-admission --from-file=cert="$dir/tls.crt" --from-file=key="$dir/tls.key" \
	--dry-run=client -o yaml | kubectl apply -f -

# The Deployment first: with failurePolicy Fail, nobody could write an Ingress
# while no replica answers.
deployment <<Y
apiVersion: apps/v1
kind: Deployment
metadata: {name: daemun-controller, namespace: $ns}
spec:
  template:
    spec:
      containers:
      - name: controller
        env:
        - {name: DAEMUN_VALIDATING_WEBHOOK, value: ":8443"}
        - {name: DAEMUN_VALIDATING_WEBHOOK_CERTIFICATE, value: /usr/local/certificates/cert}
        - {name: DAEMUN_VALIDATING_WEBHOOK_KEY, value: /usr/local/certificates/key}
        ports: [{name: webhook, containerPort: 8443, protocol: TCP}]
        volumeMounts: [{name: webhook-cert, mountPath: /usr/local/certificates, readOnly: true}]
      volumes: [{name: webhook-cert, secret: {secretName: daemun-admission}}]
Y
kubectl -n $ns rollout status deployment/daemun-controller --timeout=5m

kubectl apply -f - <<Y
apiVersion: v1
kind: Service
metadata:
  name: $name
  namespace: $ns
  labels: {app.kubernetes.io/name: daemun, app.kubernetes.io/component: controller}
spec:
  selector: {app.kubernetes.io/name: daemun, app.kubernetes.io/component: controller}
  ports: [{name: https-webhook, port: 443, targetPort: webhook, appProtocol: https}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata:
  name: daemun-admission
  labels: {app.kubernetes.io/name: daemun, app.kubernetes.io/component: admission-webhook}
webhooks:
- name: validate.nginx.ingress.kubernetes.io
  matchPolicy: Equivalent
  rules:
  - {apiGroups: [networking.k8s.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [ingresses]}
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
  clientConfig:
    service: {name: $name, namespace: $ns, path: /networking/v1/ingresses}
    caBundle: $(base64 -w0 <"$dir/ca.crt")
Y
