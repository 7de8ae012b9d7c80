{{- /* Where a store is: of this release, or wherever its URL points. */}}
{{- define "delinkcious.toStore" -}}
{{- include "delinkcious.toOutside" (dict "root" .root "what" .store) }}
{{- end }}
