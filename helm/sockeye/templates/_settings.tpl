{{/* The settings that are no secrets, as a map of strings; `config` wins. */}}
{{- define "sockeye.settings" -}}
{{- $settings := dict
  "NODE_ENV" "production"
  "SOCKEYE_CONTRACT" .Values.contract
  "SERVER_PORT" "5000"
  "SOCKEYE_OPS_PORT" "9100"
  "SOCKEYE_DATA_DIR" "/data"
  "SOCKEYE_LOG_FORMAT" "json"
  "SOCKEYE_TRUST_PROXY_HOPS" (kindIs "invalid" .Values.proxyHops | ternary (.Values.ingress.enabled | ternary 1 0) .Values.proxyHops | int | toString)
  "SOCKEYE_DRAIN_MS" (.Values.drainMs | int | toString)
  "SOCKEYE_SHUTDOWN_MS" (.Values.shutdownMs | int | toString)
  "SOCKEYE_MIGRATE_ON_START" (.Values.migrate.enabled | ternary "off" "on")
  "KAFKA_BROKERS" (required "kafka.brokers is required: host:port of your Kafka" .Values.kafka.brokers)
  "KAFKA_TOPIC" .Values.kafka.topic
  "KAFKA_GROUP" .Values.kafka.group
  "SOCKEYE_KAFKA_PARTITIONS" (.Values.kafka.partitions | int | toString)
  "SOCKEYE_KAFKA_TLS" (.Values.kafka.tls | ternary "on" "off")
  "SOCKEYE_MONGODB_READ_PREFERENCE" .Values.mongodb.readPreference
  "SOCKEYE_REDIS_PREFIX" .Values.redis.prefix
-}}
{{- if .Values.kafka.replication }}{{ $_ := set $settings "SOCKEYE_KAFKA_REPLICATION" (.Values.kafka.replication | int | toString) }}{{ end -}}
{{- if .Values.kafka.sasl }}{{ $_ := set $settings "SOCKEYE_KAFKA_SASL" .Values.kafka.sasl }}{{ end -}}
{{- if .Values.kafka.tlsCaSecret.name }}{{ $_ := set $settings "SOCKEYE_KAFKA_TLS_CA" (printf "/etc/sockeye/kafka-ca/%s" .Values.kafka.tlsCaSecret.key) }}{{ end -}}
{{- mustMergeOverwrite $settings .Values.config | toYaml -}}
{{- end }}

{{/* The ports that the settings name, as numbers: {http, ops}. */}}
{{- define "sockeye.ports" -}}
{{- $settings := include "sockeye.settings" . | fromYaml -}}
http: {{ $settings.SERVER_PORT }}
ops: {{ $settings.SOCKEYE_OPS_PORT }}
{{- end }}

{{/* The secret settings' names. */}}
{{- define "sockeye.secretKeys" -}}
{{- $keys := list "JWT_SECRET" "MONGODB_URI" "REDIS_URL" -}}
{{- if .Values.kafka.sasl }}{{ $keys = concat $keys (list "KAFKA_USERNAME" "KAFKA_PASSWORD") }}{{ end -}}
{{- $keys | toJson -}}
{{- end }}

{{/* What a Secret of ours holds. */}}
{{- define "sockeye.secretData" -}}
{{- $s := .Values.secrets -}}
JWT_SECRET: {{ required "secrets.jwtSecret (or secrets.existingSecret) is required: openssl rand -base64 32" $s.jwtSecret | quote }}
{{- with $s.jwtSecretPrevious }}
JWT_SECRET_PREVIOUS: {{ . | quote }}
{{- end }}
MONGODB_URI: {{ required "secrets.mongodbUri (or secrets.existingSecret) is required" $s.mongodbUri | quote }}
REDIS_URL: {{ required "secrets.redisUrl (or secrets.existingSecret) is required" $s.redisUrl | quote }}
{{- if .Values.kafka.sasl }}
KAFKA_USERNAME: {{ required "kafka.sasl needs secrets.kafkaUsername" $s.kafkaUsername | quote }}
KAFKA_PASSWORD: {{ required "kafka.sasl needs secrets.kafkaPassword" $s.kafkaPassword | quote }}
{{- end }}
{{- end }}

{{/* Environment from a Secret, key by key: what else is in a Secret of yours stays there. (dict "root" $ "secret" name) */}}
{{- define "sockeye.secretEnv" -}}
{{- range include "sockeye.secretKeys" .root | fromJsonArray }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: { name: {{ $.secret }}, key: {{ . }} }
{{- end }}
- name: JWT_SECRET_PREVIOUS
  valueFrom:
    secretKeyRef: { name: {{ $.secret }}, key: JWT_SECRET_PREVIOUS, optional: true }
- name: SOCKEYE_NODE_NAME
  valueFrom:
    fieldRef: { fieldPath: metadata.name }
{{- end }}
