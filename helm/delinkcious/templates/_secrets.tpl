{{- /* A Secret by the name it has in this cluster. */}}
{{- define "delinkcious.secretName" -}}
{{ get .root.Values.secrets.names .name | default .name }}
{{- end }}

{{- /* Fails for another name of a Secret that nothing here asks for: a slip of the pen would go unnoticed. */}}
{{- define "delinkcious.checkSecretNames" -}}
{{- $known := list "nats-cluster" "operator-nats" "postgres-admin" "stores-monitor" "stores-monitoring" .Values.canaryLoad.secret }}
{{- range .Values.services }}{{ $known = concat $known (keys .secrets) }}{{ end }}
{{- range $name, $_ := .Values.secrets.names }}
{{- if not (has $name $known) }}
{{- fail (printf "secrets.names: there is no Secret %s, only %s" $name ($known | uniq | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The secrets of a service: its environment names the files that the volumes hold. */}}
{{- define "delinkcious.secretEnv" -}}
{{- range $secret, $keys := .secrets }}
{{- range $key, $variable := $keys }}
- name: {{ $variable }}
  value: /etc/delinkcious/secrets/{{ $secret }}/{{ $key }}
{{- end }}
{{- end }}
{{- end }}

{{- define "delinkcious.secretMounts" -}}
{{- range $secret, $_ := .secrets }}
- name: {{ $secret }}
  mountPath: /etc/delinkcious/secrets/{{ $secret }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "delinkcious.secretVolumes" -}}
{{- range $secret, $_ := .secrets }}
- name: {{ $secret }}
  secret:
    secretName: {{ include "delinkcious.secretName" (dict "root" $.root "name" $secret) }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{- /* The secrets that a migration needs: its database's, and no key. */}}
{{- define "delinkcious.databaseSecrets" -}}
{{- range $secret, $keys := .secrets }}
{{- if has "DATABASE_URL_FILE" (values $keys) }}
{{ $secret }}: {{ $keys | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Under which key of its Secret a service's database stands. */}}
{{- define "delinkcious.databaseKey" -}}
{{- range $_, $keys := .secrets }}
{{- range $key, $variable := $keys }}
{{- if eq $variable "DATABASE_URL_FILE" }}{{ $key }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Which services have which store, and by which Secret: the variables that name its file say it. */}}
{{- define "delinkcious.storeSecrets" -}}
{{- $variables := dict "postgres" "DATABASE_URL_FILE" "nats" "NATS_URL_FILE" "redis" "REDIS_URL_FILE" -}}
{{- range $store, $variable := $variables }}
{{ $store }}:
  {{- range $name, $service := $.Values.services }}
  {{- range $secret, $keys := $service.secrets }}
  {{- if has $variable (values $keys) }}
  {{ $name }}: {{ $secret }}
  {{- end }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* What a Secret says in the cluster already, as `data`; `foreign` when it is of no Helm release or of another one. */}}
{{- define "delinkcious.knownSecret" -}}
{{- $known := lookup "v1" "Secret" .namespace .name | default dict -}}
{{- $data := dict -}}
{{- range $key, $value := $known.data }}
{{- $_ := set $data $key (b64dec $value) }}
{{- end }}
{{- $owner := dig "metadata" "annotations" "meta.helm.sh/release-name" "" $known -}}
{{- dict "data" $data "foreign" (and $known (ne $owner .root.Release.Name) | empty | not) | toYaml }}
{{- end }}

{{- /* Data of a volume that stays are of no use without their passwords and keys. */}}
{{- define "delinkcious.kept" -}}
{{- if .Values.stores.keepOnUninstall -}}
annotations:
  helm.sh/resource-policy: keep
{{- end }}
{{- end }}

{{- /* The public edge's certificate where one is made up: `pair` with its key, `authority` that made it. Made once in a
release: two templates ask for it, and have to be told the same. */}}
{{- define "delinkcious.edge" -}}
{{- $gateway := .Values.gateway -}}
{{- if and $gateway.certificate.generate (not (hasKey .Values "_edge")) }}
{{- $known := include "delinkcious.knownSecret" (dict "root" . "namespace" $gateway.namespace "name" "delinkcious-tls") | fromYaml }}
{{- $pair := $known.data }}
{{- if and (not $known.foreign) (not (hasKey $pair "ca.crt")) }}
{{- $service := printf "ingressgateway.%s" $gateway.namespace }}
{{- $hosts := concat (list $service (printf "%s.svc" $service) (printf "%s.svc.cluster.local" $service)) $gateway.certificate.hosts | uniq }}
{{- $authority := genCA "Delinkcious development" 3650 }}
{{- $certificate := genSignedCert (first $hosts) (list "127.0.0.1") $hosts 825 $authority }}
{{- $pair = dict "ca.crt" $authority.Cert "tls.crt" $certificate.Cert "tls.key" $certificate.Key }}
{{- end }}
{{- $_ := set .Values "_edge" (dict "pair" ($known.foreign | ternary dict $pair) "authority" (pick $pair "ca.crt")) }}
{{- end }}
{{- toYaml (get .Values "_edge" | default dict) }}
{{- end }}
