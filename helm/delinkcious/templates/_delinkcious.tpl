{{- define "delinkcious.image" -}}
{{ .root.Values.image.repository }}:{{ .tag | default .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "delinkcious.labels" -}}
app.kubernetes.io/part-of: delinkcious
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "delinkcious.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
fsGroup: 65534
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "delinkcious.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* What a port speaks, by the first word of its name: Istio believes this before it reads the name. */}}
{{- define "delinkcious.appProtocol" -}}
{{ regexFind "^(https|http2|http|grpc|tcp)" . }}
{{- end }}
