{{- /* The environment of a service, by name: its own says over what all have. */}}
{{- define "delinkcious.settings" }}
{{- range $key, $value := merge (dict) (.service.config | default dict) .root.Values.config }}
{{ $key }}: {{ $value | toString | quote }}
{{- end }}
{{- if and .root.Values.collector.enabled (not .root.Values.config.OTEL_EXPORTER_OTLP_ENDPOINT) }}
OTEL_EXPORTER_OTLP_ENDPOINT: http://otel-collector.{{ include "delinkcious.observabilityNamespace" .root }}:4318
{{- end }}
{{- end }}
