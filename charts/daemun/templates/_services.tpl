{{- define "daemun.portName" -}}
{{- if .root.Values.portNamePrefix }}{{ .root.Values.portNamePrefix }}-{{ end }}{{ .port }}-{{ .protocol -}}
{{- end -}}

{{- /* daemun.address: the fields that a Service has in common with its values. */ -}}
{{- define "daemun.address" -}}
{{- range $field := list "clusterIP" "clusterIPs" "externalIPs" "loadBalancerIP" "loadBalancerClass" "loadBalancerSourceRanges" "externalTrafficPolicy" "internalTrafficPolicy" "trafficDistribution" "sessionAffinity" "healthCheckNodePort" "ipFamilyPolicy" "ipFamilies" }}
{{- with index $ $field }}
{{ $field }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- if hasKey . "allocateLoadBalancerNodePorts" }}
allocateLoadBalancerNodePorts: {{ .allocateLoadBalancerNodePorts }}
{{- end }}
{{- end -}}

{{- /* daemun.service: the external or the internal Service. Takes root, name,
values (of this Service), type and labels. Ports and target ports that are not
set are those of the external one. */ -}}
{{- define "daemun.service" -}}
{{- $outer := .root.Values.controller.service -}}
{{- $v := .values -}}
{{- $withNodePorts := has .type (list "NodePort" "LoadBalancer") -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "daemun.meta" (dict "root" .root "name" .name "component" "controller" "labels" (merge dict ($outer.labels | default dict) (.labels | default dict)) "annotations" $v.annotations "templates" true) | nindent 2 }}
spec:
  type: {{ .type }}
  {{- with include "daemun.address" $v | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  selector:
    {{- include "daemun.selector" .root | nindent 4 }}
    app.kubernetes.io/component: controller
  ports:
  {{- range $name := list "http" "https" }}
  {{- if index $outer (printf "enable%s" (title $name)) }}
  - name: {{ $name }}
    port: {{ index ($v.ports | default dict) $name | default (index $outer.ports $name) }}
    protocol: TCP
    targetPort: {{ index ($v.targetPorts | default dict) $name | default (index $outer.targetPorts $name) }}
    {{- if $v.appProtocol }}
    appProtocol: {{ $name }}
    {{- end }}
    {{- if $withNodePorts }}
    {{- with index ($v.nodePorts | default dict) $name }}
    nodePort: {{ . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
  {{- range $protocol := list "tcp" "udp" }}
  {{- range $port, $target := index $.root.Values $protocol }}
  - name: {{ include "daemun.portName" (dict "root" $.root "port" $port "protocol" $protocol) }}
    port: {{ $port }}
    protocol: {{ upper $protocol }}
    targetPort: {{ include "daemun.portName" (dict "root" $.root "port" $port "protocol" $protocol) }}
    {{- if $withNodePorts }}
    {{- with dig $protocol ($port | toString) "" ($v.nodePorts | default dict) }}
    nodePort: {{ . }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end -}}
