{{/* Prefix of all names: the release's name, made to hold the chart's. Without the namespace
also those of ClusterRoles: users bind some by name, and an upgrade cannot change what a
binding refers to. A Service has a short name without dots: what has to be changed for that
ends in a hash of the whole, so that no two releases share what is named after them. */}}
{{- define "olmoe.name" -}}
{{- $whole := .Release.Name -}}
{{- if not (contains .Chart.Name $whole) }}{{ $whole = printf "%s-%s" $whole .Chart.Name }}{{ end -}}
{{- $name := $whole | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- if ne $name $whole }}{{ $name = printf "%s-%s" $name (sha256sum $whole | trunc 6) }}{{ end -}}
{{- if and (regexMatch "^[0-9]" $name) (semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version) }}
{{- fail (printf "release name %q: the Service of its metrics is named after it, and before Kubernetes 1.36 such a name begins with a letter: choose another name" .Release.Name) }}
{{- end -}}
{{ $name }}
{{- end }}

{{/* Labels that select the operator's pod; they never change. */}}
{{- define "olmoe.selector" -}}
app.kubernetes.io/name: olmoe-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* A label's value: versions may have a "+", as those that Flux makes of commits, labels none. */}}
{{- define "olmoe.labelValue" -}}
{{ . | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
{{- end }}

{{- define "olmoe.labels" -}}
{{ include "olmoe.selector" . }}
app.kubernetes.io/version: {{ include "olmoe.labelValue" .Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | include "olmoe.labelValue" }}
{{- end }}

{{/* Labels of what Prometheus and Grafana look for: those of (list $ user's), where the user's win. */}}
{{- define "olmoe.monitored" -}}
{{ merge (dict) (last . | default dict) (include "olmoe.labels" (first .) | fromYaml) | toYaml }}
{{- end }}

{{- define "olmoe.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default (.Chart.AppVersion | replace "+" "_") }}
{{- end -}}
{{- end }}

{{/* The operator's ServiceAccount, as a binding's subject. */}}
{{- define "olmoe.subject" -}}
- kind: ServiceAccount
  name: {{ include "olmoe.name" . }}-manager
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
