{{- define "greenroom.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "greenroom.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end -}}

{{- define "greenroom.labels" -}}
{{ include "greenroom.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "greenroom.etcd.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: etcd
{{- end -}}

{{- define "greenroom.etcd.endpoints" -}}
{{- $etcd := .Values.fleet.etcd -}}
{{- if and $etcd.create $etcd.endpoints -}}
{{- fail "fleet.etcd: either endpoints or create, not both" -}}
{{- else if $etcd.create -}}
{{- list (printf "http://%s-etcd:2379" (include "greenroom.fullname" .)) | toJson -}}
{{- else if $etcd.endpoints -}}
{{- $etcd.endpoints | toJson -}}
{{- else -}}
{{- fail "fleet.enabled needs fleet.etcd.endpoints, or fleet.etcd.create" -}}
{{- end -}}
{{- end -}}
