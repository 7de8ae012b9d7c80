{{- /* Rules of NetworkPolicies. Who calls whom is said once: `callers` and `stores` of the services. */}}

{{- /* Names, wherever they are looked up. */}}
{{- define "delinkcious.toNames" -}}
{{- include "delinkcious.toOutside" (dict "root" .root "what" "dns") }}
{{- end }}

{{- /* What is not of this release: its ports, anywhere or at the peers that are named. */}}
{{- define "delinkcious.toOutside" -}}
{{- $outside := index .root.Values.networkPolicies.outside .what -}}
- ports:
    {{- range $outside.ports }}
    - { port: {{ . }}, protocol: TCP }
    {{- if eq $.what "dns" }}
    - { port: {{ . }}, protocol: UDP }
    {{- end }}
    {{- end }}
  {{- with $outside.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "delinkcious.toOwnPorts" -}}
{{- with .Values.networkPolicies.ownPorts }}
- ports:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- /* Public addresses: none of a private network, of this machine or of a cloud's own. */}}
{{- define "delinkcious.toPublic" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except:
          - 0.0.0.0/8
          - 10.0.0.0/8
          - 100.64.0.0/10
          - 127.0.0.0/8
          - 168.63.129.16/32
          - 169.254.0.0/16
          - 172.16.0.0/12
          - 192.0.0.0/24
          - 192.168.0.0/16
          - 198.18.0.0/15
          - 224.0.0.0/4
          - 240.0.0.0/4
    - ipBlock:
        cidr: 2000::/3
  ports:
    {{- range . }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

{{- /* The ports on which a service reaches public addresses; identity providers are such. */}}
{{- define "delinkcious.publicPorts" -}}
{{- $ports := .publicPorts | default list -}}
{{- $settings := keys (.config | default dict) -}}
{{- range $_, $keys := .secrets }}
{{- $settings = concat $settings (values ($keys | default dict)) }}
{{- end }}
{{- if or (has "OIDC_PROVIDERS" $settings) (has "OIDC_PROVIDERS_FILE" $settings) }}
{{- $ports = append $ports 443 }}
{{- end }}
{{- uniq $ports | toJson }}
{{- end }}

{{- /* One caller of a service, as a peer: the gateway, or a service of this release. */}}
{{- define "delinkcious.caller" -}}
{{- if eq .caller "gateway" -}}
namespaceSelector:
  matchLabels: { kubernetes.io/metadata.name: {{ .root.Values.gateway.namespace }} }
podSelector:
  matchLabels: { istio: ingressgateway }
{{- else -}}
podSelector:
  matchLabels: { app: {{ .caller }} }
{{- end }}
{{- end }}

{{- /* Who reads metrics, as peers. */}}
{{- define "delinkcious.scrapers" -}}
{{- if .Values.networkPolicies.scrapers }}
{{- toYaml .Values.networkPolicies.scrapers }}
{{- else if .Values.prometheus.enabled -}}
- namespaceSelector:
    matchLabels: { kubernetes.io/metadata.name: {{ .Values.observability.namespace }} }
  podSelector:
    matchLabels: { app: prometheus }
{{- else -}}
# Whose Prometheus it is nobody has said; strangers outside of the cluster it is not.
- namespaceSelector: {}
{{- end }}
{{- end }}

{{- /* What they read: of the process, of its sidecar, and of both as one. */}}
{{- define "delinkcious.fromScrapers" -}}
- from:
    {{- include "delinkcious.scrapers" . | nindent 4 }}
  ports:
    - { port: 9090, protocol: TCP }
    - { port: 15020, protocol: TCP }
    - { port: 15090, protocol: TCP }
{{- end }}

{{- /* The port of an http or https address. */}}
{{- define "delinkcious.portOf" -}}
{{- $parts := urlParse . -}}
{{ regexFind "[0-9]+$" (regexFind ":[0-9]+$" $parts.host) | default (ternary "443" "80" (eq $parts.scheme "https")) }}
{{- end }}
