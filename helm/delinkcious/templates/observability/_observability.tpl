{{- /* What the Pods of this namespace have in common. On the local mesh nobody waits for them. */}}
{{- define "delinkcious.observabilityAnnotations" -}}
sidecar.istio.io/inject: "false"
delinkcious.io/optional: "true"
{{- end }}

{{- /* The address to listen on: every one of a pod of its own, the pod's own one where several share a machine. */}}
{{- define "delinkcious.listen" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: LISTEN
  value: {{ .Values.observability.listen | quote }}
{{- end }}

{{- /* Where the stores are, with the rights to look at their numbers and at nobody's data. */}}
{{- define "delinkcious.storesSecrets" -}}
stores-monitoring:
  postgres-url: POSTGRES_URL_FILE
  redis-url: REDIS_URL_FILE
  nats-url: NATS_URL_FILE
{{- end }}
