{{/* What all pods have. Service links are off: they would set SOCKEYE_PORT and other names that are settings. */}}
{{- define "sockeye.podCommon" -}}
serviceAccountName: {{ include "sockeye.serviceAccountName" . }}
{{ include "sockeye.podBare" . }}
{{- end }}

{{/* The same for pods that run before the release's own objects exist. */}}
{{- define "sockeye.podBare" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext: {{ toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* Where pods run. (dict "root" $ "role" "gateway") */}}
{{- define "sockeye.scheduling" -}}
{{- $role := index .root.Values .role -}}
{{- with $role.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $role.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $role.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $role.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- $default := list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway") }}
topologySpreadConstraints:
{{- range $role.topologySpreadConstraints | default $default }}
  - {{ omit . "labelSelector" | toYaml | nindent 4 | trim }}
    labelSelector:
      matchLabels:
        {{- include "sockeye.selectorLabels" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.role }}
{{- end }}
{{- end }}

{{/* A container's image and rights. */}}
{{- define "sockeye.container" -}}
image: {{ include "sockeye.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{ toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{- define "sockeye.mounts" -}}
- { name: data, mountPath: /data }
{{- if .Values.kafka.tlsCaSecret.name }}
- { name: kafka-ca, mountPath: /etc/sockeye/kafka-ca, readOnly: true }
{{- end }}
{{- end }}

{{- define "sockeye.volumes" -}}
- name: data
  emptyDir: { sizeLimit: 1Gi }
{{- with .Values.kafka.tlsCaSecret }}
{{- if .name }}
- name: kafka-ca
  secret:
    secretName: {{ .name }}
    items: [{ key: {{ .key }}, path: {{ .key }} }]
{{- end }}
{{- end }}
{{- end }}

{{/*
Probes, on the port that only operators reach: clients that fill their own port do not make a pod look dead. Startup and
liveness ask the process only: when Kafka is away, a restart helps nobody.
*/}}
{{- define "sockeye.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: ops }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: ops }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /readyz, port: ops }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}
