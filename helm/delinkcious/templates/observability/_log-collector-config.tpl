{{- define "delinkcious.logCollectorConfig" -}}
{{- $paths := list -}}
{{- range .Values.logs.collector.namespaces | default (list .Release.Namespace .Values.gateway.namespace) -}}
{{- $paths = append $paths (printf "/var/log/containers/*_%s_*.log" .) -}}
{{- end -}}
service:
  flush: 1
  log_level: warn
  http_server: on
  http_listen: 0.0.0.0
  http_port: 2020
  health_check: on
  # What an output does not take yet waits on disk, so much at most.
  storage.path: /var/lib/fluent-bit/storage
  storage.backlog.mem_limit: 16M
parsers:
  # Our schema (docs/logs.md), which services and proxies write alike.
  - name: delinkcious
    format: json
    time_key: time
    time_format: "%Y-%m-%dT%H:%M:%S.%L%z"
    time_keep: on
pipeline:
  inputs:
    - name: tail
      tag: kube.*
      path: {{ join "," $paths }}
      multiline.parser: cri
      db: /var/lib/fluent-bit/position.db
      refresh_interval: 5
      mem_buf_limit: 16M
      skip_long_lines: on
      storage.type: filesystem
  filters:
    - name: kubernetes
      match: kube.*
      merge_log: on
      merge_parser: delinkcious
      keep_log: off
      labels: on
      annotations: off
      buffer_size: 256k
    # Lines of other programs in the same pods, and an Envoy's own words: theirs is the event.
    - name: modify
      match: kube.*
      condition: Key_does_not_exist event
      rename: log event
    - name: modify
      match: kube.*
      add: level info
  outputs:
    {{- range .Values.logs.collector.outputs }}
    -
      {{- toYaml (merge . (dict "storage.total_limit_size" "512M")) | nindent 6 }}
    {{- end }}
{{- end }}
