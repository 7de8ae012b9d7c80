{{- define "delinkcious.collectorConfig" -}}
{{- $sampling := .Values.collector.sampling -}}
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "0.0.0.0:4317" }
      http: { endpoint: "0.0.0.0:4318" }
processors:
  # Rather refuse spans, which their senders count, than end for want of memory.
  memory_limiter: { check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 20 }
  tail_sampling:
    decision_wait: {{ $sampling.decisionWait }}
    num_traces: {{ $sampling.traces | int }}
    policies:
      - name: errors
        type: status_code
        status_code: { status_codes: [ERROR] }
      - name: server-errors
        type: numeric_attribute
        numeric_attribute: { key: http.response.status_code, min_value: 500, max_value: 599 }
      # Proxies write the status as text, under its older name.
      - name: proxy-errors
        type: string_attribute
        string_attribute: { key: http.status_code, values: ["5[0-9][0-9]"], enabled_regex_matching: true }
      - name: slow
        type: latency
        latency: { threshold_ms: {{ $sampling.slowMs | int }} }
      - name: others
        type: probabilistic
        probabilistic: { sampling_percentage: {{ $sampling.percentage }} }
  batch: { timeout: 1s }
exporters:
  otlphttp:
    endpoint: {{ .Values.collector.exportTo }}
    timeout: 5s
    sending_queue: { queue_size: 1000 }
    retry_on_failure: { max_elapsed_time: 60s }
extensions:
  health_check: { endpoint: "0.0.0.0:13133" }
service:
  extensions: [health_check]
  telemetry:
    logs: { level: warn, encoding: json }
    metrics:
      readers:
        - pull: { exporter: { prometheus: { host: 0.0.0.0, port: 8888 } } }
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, tail_sampling, batch]
      exporters: [otlphttp]
{{- end }}
