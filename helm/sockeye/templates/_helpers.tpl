{{/* Names and labels. */}}
{{- define "sockeye.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters: the longest suffix, and a pod's own, must fit into 63. */}}
{{- define "sockeye.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "sockeye.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sockeye.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sockeye.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sockeye.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sockeye.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "sockeye.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sockeye.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "sockeye.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "sockeye.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "sockeye.secretName" -}}
{{ .Values.secrets.existingSecret | default (include "sockeye.fullname" .) }}
{{- end }}

{{- define "sockeye.mediaClaim" -}}
{{ .Values.media.persistence.existingClaim | default (printf "%s-media" (include "sockeye.fullname" .)) }}
{{- end }}

{{/* Seconds from SIGTERM, or the preStop sleep before it, to SIGKILL: all that Sockeye may take, and 10 s. */}}
{{- define "sockeye.graceSeconds" -}}
{{- $ms := add (.Values.drainMs | int) (.Values.shutdownMs | int) 999 -}}
{{ add (div $ms 1000) (.Values.gateway.preStopSleepSeconds | int) 10 }}
{{- end }}
