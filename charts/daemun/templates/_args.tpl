{{- /* The arguments of the program, as the ingress-nginx chart gives them. What
extraArgs says too is left to extraArgs. */ -}}
{{- define "daemun.args" -}}
{{- $c := .Values.controller -}}
{{- $args := list -}}
{{- if .Values.defaultBackend.enabled -}}
{{- $args = append $args (printf "--default-backend-service=$(POD_NAMESPACE)/%s" (include "daemun.defaultBackend" .)) -}}
{{- end -}}
{{- if and $c.publishService.enabled (or $c.publishService.pathOverride (and $c.service.enabled (or $c.service.external.enabled $c.service.internal.enabled))) -}}
{{- $args = append $args (printf "--publish-service=%s" (include "daemun.publishService" .)) -}}
{{- end -}}
{{- $args = append $args (printf "--election-id=%s" (include "daemun.election" .)) -}}
{{- $args = append $args (printf "--controller-class=%s" $c.ingressClassResource.controllerValue) -}}
{{- with $c.ingressClass -}}{{- $args = append $args (printf "--ingress-class=%s" .) -}}{{- end -}}
{{- $args = append $args (printf "--configmap=%s/%s" (default "$(POD_NAMESPACE)" $c.configMapNamespace) (include "daemun.controller" .)) -}}
{{- if .Values.tcp -}}
{{- $args = append $args (printf "--tcp-services-configmap=%s/%s-tcp" (default "$(POD_NAMESPACE)" $c.tcp.configMapNamespace) (include "daemun.fullname" .)) -}}
{{- end -}}
{{- if .Values.udp -}}
{{- $args = append $args (printf "--udp-services-configmap=%s/%s-udp" (default "$(POD_NAMESPACE)" $c.udp.configMapNamespace) (include "daemun.fullname" .)) -}}
{{- end -}}
{{- if $c.scope.enabled -}}
{{- $args = append $args (printf "--watch-namespace=%s" (default "$(POD_NAMESPACE)" $c.scope.namespace)) -}}
{{- else if $c.scope.namespaceSelector -}}
{{- $args = append $args (printf "--watch-namespace-selector=%s" $c.scope.namespaceSelector) -}}
{{- end -}}
{{- if and $c.reportNodeInternalIp $c.hostNetwork -}}{{- $args = append $args "--report-node-internal-ip-address=true" -}}{{- end -}}
{{- if $c.admissionWebhooks.enabled -}}
{{- $args = append $args (printf "--validating-webhook=:%v" $c.admissionWebhooks.port) -}}
{{- if include "daemun.admission.own" . -}}
{{- $args = append $args (printf "--validating-webhook-secret=%s" (include "daemun.admission.secret" .)) -}}
{{- $args = append $args (printf "--validating-webhook-configuration=%s" (include "daemun.admission" .)) -}}
{{- else -}}
{{- $args = append $args (printf "--validating-webhook-certificate=%s" $c.admissionWebhooks.certificate) -}}
{{- $args = append $args (printf "--validating-webhook-key=%s" $c.admissionWebhooks.key) -}}
{{- end -}}
{{- end -}}
{{- with $c.maxmindLicenseKey -}}{{- $args = append $args (printf "--maxmind-license-key=%s" .) -}}{{- end -}}
{{- if ne (int $c.containerPort.http) 80 -}}{{- $args = append $args (printf "--http-port=%v" $c.containerPort.http) -}}{{- end -}}
{{- if ne (int $c.containerPort.https) 443 -}}{{- $args = append $args (printf "--https-port=%v" $c.containerPort.https) -}}{{- end -}}
{{- with $c.healthCheckHost -}}{{- $args = append $args (printf "--healthz-host=%s" .) -}}{{- end -}}
{{- if ne $c.healthCheckPath "/healthz" -}}{{- $args = append $args (printf "--health-check-path=%s" $c.healthCheckPath) -}}{{- end -}}
{{- if $c.ingressClassByName -}}{{- $args = append $args "--ingress-class-by-name=true" -}}{{- end -}}
{{- if $c.watchIngressWithoutClass -}}{{- $args = append $args "--watch-ingress-without-class=true" -}}{{- end -}}
{{- if not $c.enableAnnotationValidations -}}{{- $args = append $args "--enable-annotation-validation=false" -}}{{- end -}}
{{- if $c.disableLeaderElection -}}{{- $args = append $args "--disable-leader-election=true" -}}{{- end -}}
{{- with $c.electionTTL -}}{{- $args = append $args (printf "--election-ttl=%s" .) -}}{{- end -}}
{{- if $c.enableTopologyAwareRouting -}}{{- $args = append $args "--enable-topology-aware-routing=true" -}}{{- end -}}
{{- $args = append $args (printf "--enable-metrics=%v" $c.metrics.enabled) -}}
{{- $args = append $args (printf "--shutdown-grace-period=%v" .Values.shutdownGracePeriod) -}}
- /nginx-ingress-controller
{{- range $args }}
{{- $name := . | trimPrefix "--" | splitList "=" | first }}
{{- if not (hasKey $c.extraArgs $name) }}
- {{ . }}
{{- end }}
{{- end }}
{{- range $name, $value := $c.extraArgs }}
{{- /* not "default" or "with": false and 0 are values */}}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") }}
- --{{ $name }}
{{- else }}
- {{ printf "--%s=%s" $name (include "daemun.number" $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A number from YAML as text: never 1e+06. */ -}}
{{- define "daemun.number" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . -}}{{- int64 . -}}{{- else -}}{{- . -}}{{- end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}
