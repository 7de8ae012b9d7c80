{{- /* Where pods go: apart from each other, and what makes room for them. `root`, `labels` of the pods. */}}
{{- define "delinkcious.scheduling" -}}
{{- $scheduling := .root.Values.scheduling -}}
{{- with $scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $scheduling.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $scheduling.spread }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ .topologyKey }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- toYaml $.labels | nindent 8 }}
    {{- if $.rolling }}
    # Only pods of the same version count, and not those that a rolling update is about to end.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* A service's autoscaling: its own says over the chart's. */}}
{{- define "delinkcious.autoscaling" -}}
{{- $autoscaling := deepCopy .root.Values.autoscaling }}
{{- /* One by one, since `merge` takes false for nothing said. */}}
{{- range $key, $value := .service.autoscaling }}
{{- $_ := set $autoscaling $key $value }}
{{- end }}
{{- toYaml $autoscaling }}
{{- end }}

{{- /* Whether a version's pods are counted by an autoscaler, which one with none is not. */}}
{{- define "delinkcious.autoscaled" -}}
{{- $autoscaling := include "delinkcious.autoscaling" . | fromYaml -}}
{{- if and $autoscaling.enabled (gt (int .track.replicas) 0) }}yes{{ end }}
{{- end }}
