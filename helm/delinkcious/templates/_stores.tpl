{{- /* Where a store is: of this release, or wherever its URL points. */}}
{{- define "delinkcious.toStore" -}}
{{- if .root.Values.stores.bundled -}}
- to:
    - podSelector:
        matchLabels: { app: {{ .store }} }
  ports:
    - { port: {{ include "delinkcious.storePort" .store }}, protocol: TCP }
{{- else }}
{{- include "delinkcious.toOutside" (dict "root" .root "what" .store "fetcher" .fetcher) }}
{{- end }}
{{- end }}

{{- define "delinkcious.storePort" -}}
{{ get (dict "postgres" 5432 "nats" 4222 "redis" 6379) . }}
{{- end }}

{{- /* The address of a store of this release. Of several Redis the first may be written to. */}}
{{- define "delinkcious.storeHost" -}}
{{- $names := dict "postgres" "postgres" "nats" "nats" "redis" "redis" -}}
{{- if .root.Values.stores.postgres.operator.enabled }}{{ $_ := set $names "postgres" "postgres-rw" }}{{ end -}}
{{- if gt (int .root.Values.stores.redis.replicas) 1 }}{{ $_ := set $names "redis" "redis-0.redis-peers" }}{{ end -}}
{{ get $names .store }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- /* A service's name within the name of a variable. */}}
{{- define "delinkcious.variable" -}}
{{ . | upper | replace "-" "_" }}
{{- end }}

{{- /* A password of a Secret, for a store that is told of it. */}}
{{- define "delinkcious.passwordOf" -}}
valueFrom:
  secretKeyRef:
    name: {{ include "delinkcious.secretName" (dict "root" .root "name" .secret) }}
    key: password
{{- end }}

{{- /* What every pod of a store has. A sidecar would take its server's first words for the client's. */}}
{{- define "delinkcious.storePod" -}}
automountServiceAccountToken: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with include "delinkcious.scheduling" (dict "root" .root "labels" (dict "app" .store)) }}
{{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "delinkcious.storeVolume" -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .root.Values.stores.keepOnUninstall | ternary "Retain" "Delete" }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .root.Values.stores.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end }}

{{- /* Who of this release has a store: `- podSelector` of each. */}}
{{- define "delinkcious.fromUsers" -}}
{{- $users := get (include "delinkcious.storeSecrets" .root | fromYaml) .store -}}
{{- range $name, $_ := $users }}
- podSelector:
    matchLabels: { app: {{ $name }} }
{{- if and (eq $.store "postgres") (get $.root.Values.services $name).migrations }}
- podSelector:
    matchLabels: { app: {{ $name }}-migrate }
{{- end }}
{{- end }}
{{- if and (eq .store "postgres") .root.Values.backup.enabled }}
- podSelector:
    matchLabels: { app: postgres-backup }
{{- end }}
{{- if .root.Values.storesExporter.enabled }}
- namespaceSelector:
    matchLabels: { kubernetes.io/metadata.name: {{ .root.Values.observability.namespace }} }
  podSelector:
    matchLabels: { app: stores-exporter }
{{- end }}
{{- end }}
