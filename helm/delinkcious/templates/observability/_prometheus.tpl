{{- /* Pods, as a cluster or the local mesh says where they are: with the same meta labels. */}}
{{- define "delinkcious.pods" -}}
{{- if .Values.prometheus.localMesh -}}
file_sd_configs:
  - files: [../discovery/pods.json]
    refresh_interval: 10s
{{- else -}}
kubernetes_sd_configs:
  - role: pod
    namespaces:
      names: [{{ list .Release.Namespace .Values.gateway.namespace .Values.observability.namespace | uniq | join ", " }}]
{{- end }}
{{- end }}

{{- /* A scrape with more samples is refused as a whole: labels that explode are seen, and not stored. */}}
{{- define "delinkcious.limits" -}}
sample_limit: {{ int .Values.prometheus.sampleLimit }}
label_value_length_limit: 512
{{- end }}

{{- /* The labels of every target. */}}
{{- define "delinkcious.podLabels" -}}
- { source_labels: [__meta_kubernetes_namespace], target_label: namespace }
- { source_labels: [__meta_kubernetes_pod_name], target_label: pod }
- { source_labels: [__meta_kubernetes_pod_label_app], target_label: app }
- { source_labels: [__meta_kubernetes_pod_label_istio], regex: (.+), target_label: app }
- { source_labels: [__meta_kubernetes_pod_label_version], target_label: version }
{{- end }}

{{- define "delinkcious.prometheusConfig" -}}
global:
  scrape_interval: {{ .Values.prometheus.scrapeInterval }}
  scrape_timeout: {{ .Values.prometheus.scrapeTimeout }}
  evaluation_interval: {{ .Values.prometheus.scrapeInterval }}
rule_files: [../rules/*.yml]
storage:
  exemplars: { max_exemplars: {{ int .Values.prometheus.maxExemplars }} }
scrape_configs:
  # What the processes of services count themselves.
  - job_name: services
    {{- include "delinkcious.limits" . | nindent 4 }}
    {{- include "delinkcious.pods" . | nindent 4 }}
    relabel_configs:
      - { source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: "true", action: keep }
      - source_labels: [__meta_kubernetes_pod_container_port_number]
        target_label: __meta_kubernetes_pod_annotation_prometheus_io_port
        action: keepequal
      - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
        regex: (.+)
        target_label: __metrics_path__
      {{- include "delinkcious.podLabels" . | nindent 6 }}
  # What Envoy counts: Istio's metrics of every request, and how connections, certificates and itself are.
  - job_name: sidecars
    {{- include "delinkcious.limits" . | nindent 4 }}
    metrics_path: /stats/prometheus
    params:
      usedonly: [""]
    {{- include "delinkcious.pods" . | nindent 4 }}
    relabel_configs:
      - { source_labels: [__meta_kubernetes_pod_container_port_name], regex: .*-envoy-prom, action: keep }
      {{- include "delinkcious.podLabels" . | nindent 6 }}
    metric_relabel_configs:
      # Istio's own proxies say istio_requests_total; an Envoy that is not Istio's puts its name before it.
      - { source_labels: [__name__], regex: envoy_(istio_.*), target_label: __name__ }
      - source_labels: [__name__]
        regex: istio_.*|envoy_({{ join "|" .Values.prometheus.envoyMetrics }})
        action: keep
  {{- range $job, $port := dict "postgres" "http-postgres" "redis" "http-redis" "nats" "http-nats" }}
  - job_name: {{ $job }}
    {{- include "delinkcious.pods" $ | nindent 4 }}
    relabel_configs:
      - { source_labels: [__meta_kubernetes_pod_container_port_name], regex: {{ $port }}, action: keep }
      {{- include "delinkcious.podLabels" $ | nindent 6 }}
  {{- end }}
  {{- range $job, $port := dict "jaeger" "http-metrics" "prometheus" "http" }}
  - job_name: {{ $job }}
    {{- include "delinkcious.pods" $ | nindent 4 }}
    relabel_configs:
      - source_labels:
          - __meta_kubernetes_namespace
          - __meta_kubernetes_pod_label_app
          - __meta_kubernetes_pod_container_port_name
        regex: {{ $.Values.observability.namespace }};{{ $job }};{{ $port }}
        action: keep
      {{- include "delinkcious.podLabels" $ | nindent 6 }}
  {{- end }}
{{- end }}

{{- /* The labels of every target, as the operator writes them; namespace and pod it gives by itself. */}}
{{- define "delinkcious.operatorLabels" -}}
- { sourceLabels: [__meta_kubernetes_pod_label_app], targetLabel: app }
- { sourceLabels: [__meta_kubernetes_pod_label_istio], regex: (.+), targetLabel: app }
- { sourceLabels: [__meta_kubernetes_pod_label_version], targetLabel: version }
{{- end }}
