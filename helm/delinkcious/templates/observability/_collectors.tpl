{{- define "delinkcious.observabilityNamespace" -}}
{{ (.Values.observability | default dict).namespace | default "observability" }}
{{- end }}
