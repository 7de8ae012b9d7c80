{{- /* Rules of NetworkPolicies. Who calls whom is said once: `callers` and `stores` of the services. */}}

{{- /* Names, wherever they are looked up. */}}
{{- define "delinkcious.toNames" -}}
{{- include "delinkcious.toOutside" (dict "root" .root "what" "dns") }}
{{- end }}

{{- /* What is not of this release: its ports, anywhere or at the peers that are named. `fetcher` is the `name` of a service
that fetches what strangers name, and `ports` on which it does: no door may open private addresses on these. */}}
{{- define "delinkcious.toOutside" -}}
{{- $outside := index .root.Values.networkPolicies.outside .what -}}
{{- $fetcher := .fetcher | default dict -}}
{{- if not $outside.to }}
{{- range $outside.ports }}
{{- if has (toString .) $fetcher.ports }}
{{- fail (printf "networkPolicies.outside.%s: services.%s fetches on port %v what strangers name, so `to` must say where this is" $.what $fetcher.name .) }}
{{- end }}
{{- end }}
{{- end -}}
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
  {{- else }}
  {{- /* Names are looked up at such addresses in some clusters. */}}
  {{- if and $fetcher.ports (ne .what "dns") }}
  {{- include "delinkcious.butTheCloud" . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- end }}

{{- define "delinkcious.toOwnPorts" -}}
{{- $fetcher := .fetcher | default dict -}}
{{- $ports := list -}}
{{- range .root.Values.networkPolicies.ownPorts }}
{{- if not (has (toString .port) $fetcher.ports) }}
{{- $ports = append $ports . }}
{{- end }}
{{- end }}
{{- with $ports }}
- ports:
    {{- toYaml . | nindent 4 }}
  {{- if $fetcher.ports }}
  {{- include "delinkcious.butTheCloud" $ | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* Any pod, and any address but those at which a cloud tells a machine its secrets. Some networks take no pod for an
address, so that pods are named too. */}}
{{- define "delinkcious.butTheCloud" -}}
to:
  - namespaceSelector: {}
  - ipBlock:
      cidr: 0.0.0.0/0
      except: [100.100.100.200/32, 168.63.129.16/32, 169.254.0.0/16]
  - ipBlock:
      cidr: ::/0
      except: ["fd00:ec2::254/128", "fd20:ce::254/128", "fe80::/10"]
{{- end }}

{{- /* A service that fetches what strangers name, as `toOutside` wants to know it. */}}
{{- define "delinkcious.fetcher" -}}
{{- $ports := list -}}
{{- range .service.publicPorts }}{{ $ports = append $ports (toString .) }}{{ end -}}
{{- dict "name" .name "ports" $ports | toJson }}
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
