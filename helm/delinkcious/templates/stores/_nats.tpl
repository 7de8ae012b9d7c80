{{- /* The configuration of NATS: one user per service, who publishes its own events and hears its own answers. */}}
{{- define "delinkcious.natsConfig" -}}
{{- $users := (include "delinkcious.storeSecrets" . | fromYaml).nats -}}
{{- $nats := .Values.stores.nats -}}
server_name: $POD_NAME
port: 4222
http_port: 8222
pid_file: /run/nats/nats.pid
max_connections: 1000
# Clients hear that they have to go elsewhere, one after the other.
lame_duck_grace_period: 5s
lame_duck_duration: 30s
jetstream {
  store_dir: /data
  max_mem: 64MB
  max_file: {{ $nats.maxStore }}
  # A power cut must not take what was acknowledged.
  sync_interval: always
}
{{- if gt (int $nats.replicas) 1 }}
cluster {
  name: delinkcious
  port: 6222
  authorization { user: cluster, password: $CLUSTER_PASSWORD, timeout: 2 }
}
{{- end }}
authorization {
  users: [
    {{- range $name, $_ := $users }}
    {{- $subjects := append ((get $.Values.services $name).publishes | default list) (printf "dead.%s" $name) }}
    {{- include "delinkcious.natsUser" (dict "name" $name "subjects" $subjects) | nindent 4 }}
    {{- end }}
    # Whoever looks after the installation: reads, replays and drops dead letters.
    {{- include "delinkcious.natsUser" (dict "name" "operator" "subjects" (list "replay.>")) | nindent 4 }}
  ]
}
{{- end }}

{{- define "delinkcious.natsUser" -}}
{{- $subjects := append .subjects "$JS.API.>" -}}
{{- /* Each user's events are in one of eight partitions, with a consumer each (services/kit/events). */}}
{{- range until 8 }}
{{- $subjects = append $subjects (printf "$JS.ACK.EVENTS.%s-%d.>" $.name .) }}
{{- end -}}
{
  user: {{ .name }}
  password: $PASSWORD_{{ include "delinkcious.variable" .name }}
  permissions {
    publish { allow: {{ toRawJson $subjects }} }
    subscribe { allow: ["_INBOX.{{ .name }}.>"] }
  }
}
{{- end }}
