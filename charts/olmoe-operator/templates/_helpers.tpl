{{/* Prefix of all names: the release's name, made to hold the chart's. Without the namespace
also those of ClusterRoles: users bind some by name, and an upgrade cannot change what a
binding refers to. */}}
{{- define "olmoe.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels that select the operator's pod; they never change. */}}
{{- define "olmoe.selector" -}}
app.kubernetes.io/name: olmoe-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "olmoe.labels" -}}
{{ include "olmoe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Labels of what Prometheus looks for. */}}
{{- define "olmoe.monitored" -}}
{{ include "olmoe.labels" . }}
{{- with .Values.monitoring.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "olmoe.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The operator's ServiceAccount, as a binding's subject. */}}
{{- define "olmoe.subject" -}}
- kind: ServiceAccount
  name: {{ include "olmoe.name" . }}-manager
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
