{{- /* Names. With nameOverride ingress-nginx they are those of the ingress-nginx chart. */ -}}

{{- define "daemun.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "daemun.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "daemun.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "daemun.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.controller" -}}
{{- printf "%s-%s" (include "daemun.fullname" .) .Values.controller.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.admission" -}}
{{- printf "%s-%s" (include "daemun.fullname" .) .Values.controller.admissionWebhooks.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.defaultBackend" -}}
{{- printf "%s-%s" (include "daemun.fullname" .) .Values.defaultBackend.name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.election" -}}
{{- default (printf "%s-leader" (include "daemun.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "daemun.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "daemun.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "daemun.defaultBackend.serviceAccount" -}}
{{- if .Values.defaultBackend.serviceAccount.create -}}
{{- default (printf "%s-backend" (include "daemun.fullname" .)) .Values.defaultBackend.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.defaultBackend.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Labels. */ -}}

{{- define "daemun.selector" -}}
app.kubernetes.io/name: {{ include "daemun.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "daemun.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "daemun.labels" -}}
helm.sh/chart: {{ include "daemun.chart" . }}
{{ include "daemun.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: {{ include "daemun.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}

{{- /* The names that templates in values know from the ingress-nginx chart: its
own values.yaml shows them. */ -}}
{{- define "ingress-nginx.name" -}}{{ include "daemun.name" . }}{{- end -}}
{{- define "ingress-nginx.chart" -}}{{ include "daemun.chart" . }}{{- end -}}
{{- define "ingress-nginx.namespace" -}}{{ include "daemun.namespace" . }}{{- end -}}
{{- define "ingress-nginx.fullname" -}}{{ include "daemun.fullname" . }}{{- end -}}
{{- define "ingress-nginx.controller.fullname" -}}{{ include "daemun.controller" . }}{{- end -}}
{{- define "ingress-nginx.defaultBackend.fullname" -}}{{ include "daemun.defaultBackend" . }}{{- end -}}
{{- define "ingress-nginx.serviceAccountName" -}}{{ include "daemun.serviceAccount" . }}{{- end -}}
{{- define "ingress-nginx.labels" -}}{{ include "daemun.labels" . }}{{- end -}}
{{- define "ingress-nginx.selectorLabels" -}}{{ include "daemun.selector" . }}{{- end -}}

{{- /* daemun.meta: name, namespace and labels of an object of a component. Takes
root, name, component, and optionally labels, annotations, cluster; and
templates, if annotations are some. */ -}}
{{- define "daemun.meta" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default (include "daemun.namespace" .root) }}
{{- end }}
labels:
  {{- include "daemun.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
{{- $texts := dict }}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{- $text := include "daemun.number" $value }}
{{- if $.templates }}{{ $text = tpl $text $.root }}{{ end }}
{{- $_ := set $texts $key $text }}
{{- end }}
{{- end }}
annotations:
  {{- toYaml $texts | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Images. */ -}}

{{- define "daemun.image" -}}
{{- $v := .Values.image -}}
{{- $registry := $v.registry | default .Values.global.image.registry | default "docker.io" -}}
{{- /* The default of the ingress-nginx chart, where Daemun is not, in a copy of all its values. */ -}}
{{- if and (not $v.registry) (eq $registry "registry.k8s.io") }}{{ $registry = "docker.io" }}{{ end -}}
{{- $registry }}/{{ $v.repository }}:{{ $v.tag | default .Chart.AppVersion }}
{{- with $v.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "daemun.defaultBackend.image" -}}
{{- $v := .Values.defaultBackend.image -}}
{{- if $v.repository -}}
{{- $v.repository -}}
{{- else -}}
{{- .Values.global.image.registry | default $v.registry }}/{{ $v.image -}}
{{- end -}}
:{{ $v.tag }}
{{- with $v.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- /* daemun.refuse ends with a sentence for the user if values from an
ingress-nginx release would start something other than what they say. */ -}}
{{- define "daemun.refuse" -}}
{{- range $key := list "registry" "repository" "image" "tag" "digest" "digestChroot" -}}
{{- with index ($.Values.controller.image | default dict) $key -}}
{{- fail (printf "controller.image.%s is %v: that chooses an image of ingress-nginx, which this chart does not run. Remove registry, repository, image, tag, digest and digestChroot from controller.image; Daemun's own image is chosen by image.registry, image.repository, image.tag and image.digest." $key .) -}}
{{- end -}}
{{- end -}}
{{- if not (has .Values.controller.kind (list "Deployment" "DaemonSet")) -}}
{{- fail (printf "controller.kind is %v: want Deployment or DaemonSet" .Values.controller.kind) -}}
{{- end -}}
{{- if and .Values.rbac.scope (not .Values.controller.scope.enabled) -}}
{{- fail "rbac.scope is true, but controller.scope.enabled is not: without a ClusterRole Daemun can serve one namespace only, so set controller.scope.enabled too" -}}
{{- end -}}
{{- if and .Values.controller.minAvailable .Values.controller.maxUnavailable (ne (toString .Values.controller.minAvailable) "1") -}}
{{- fail "controller.minAvailable and controller.maxUnavailable are both set: a PodDisruptionBudget has one of them" -}}
{{- end -}}
{{- if and .Values.controller.autoscaling.enabled .Values.controller.keda.enabled -}}
{{- fail "controller.autoscaling.enabled and controller.keda.enabled are both true: choose who scales" -}}
{{- end -}}
{{- end -}}

{{- /* Security contexts: what the values say, or restricted Pod security. */ -}}
{{- define "daemun.containerSecurity" -}}
{{- $image := .Values.controller.image | default dict -}}
{{- if .Values.controller.containerSecurityContext -}}
{{- toYaml .Values.controller.containerSecurityContext -}}
{{- else -}}
runAsNonRoot: {{ dig "runAsNonRoot" true $image }}
runAsUser: {{ $image.runAsUser | default 65532 }}
runAsGroup: {{ $image.runAsGroup | default 65532 }}
allowPrivilegeEscalation: {{ dig "allowPrivilegeEscalation" false $image }}
readOnlyRootFilesystem: {{ dig "readOnlyRootFilesystem" true $image }}
seccompProfile: {{ $image.seccompProfile | default (dict "type" "RuntimeDefault") | toJson }}
capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
{{- end -}}
{{- end -}}

{{- define "daemun.publishService" -}}
{{- if .Values.controller.publishService.pathOverride -}}
{{- .Values.controller.publishService.pathOverride -}}
{{- else if .Values.controller.service.external.enabled -}}
$(POD_NAMESPACE)/{{ include "daemun.controller" . }}
{{- else -}}
$(POD_NAMESPACE)/{{ include "daemun.controller" . }}-internal
{{- end -}}
{{- end -}}

{{- /* "true" where Daemun makes the webhook's certificate itself. */ -}}
{{- define "daemun.admission.own" -}}
{{- $w := .Values.controller.admissionWebhooks -}}
{{- if and $w.enabled $w.patch.enabled (not $w.certManager.enabled) -}}true{{- end -}}
{{- end -}}

{{- /* The Secret with the webhook's certificate. The one that Daemun makes has a
name of its own: it leaves alone what a Job of ingress-nginx has made. */ -}}
{{- define "daemun.admission.secret" -}}
{{- include "daemun.admission" . }}{{ if include "daemun.admission.own" . }}-tls{{ end -}}
{{- end -}}
