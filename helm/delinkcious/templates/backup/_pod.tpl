{{- /* The pod of a backup, and of its way back: `root`, `script`, `env`. Stock PostgreSQL, and every database's URL. */}}
{{- define "delinkcious.backupPod" -}}
{{- $databases := (include "delinkcious.storeSecrets" .root | fromYaml).postgres -}}
{{- $backup := .root.Values.backup -}}
metadata:
  labels:
    app: postgres-backup
    {{- include "delinkcious.labels" .root | nindent 4 }}
  annotations:
    sidecar.istio.io/inject: "false"
spec:
  restartPolicy: Never
  serviceAccountName: postgres-backup
  {{- include "delinkcious.storePod" (dict "root" .root "store" "postgres-backup" "user" 999) | nindent 2 }}
  containers:
    - name: {{ .script }}
      image: {{ $backup.image }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [sh, /etc/backup/{{ .script }}.sh]
      env:
        - name: BACKUPS
          value: /var/backups/postgres
        - name: SECRETS
          value: /etc/delinkcious/secrets
        {{- range $name, $value := .env }}
        - name: {{ $name }}
          value: {{ $value | toString | quote }}
        {{- end }}
      resources:
        {{- toYaml $backup.resources | nindent 8 }}
      securityContext:
        {{- include "delinkcious.securityContext" .root | nindent 8 }}
      volumeMounts:
        - name: script
          mountPath: /etc/backup
          readOnly: true
        - name: backups
          mountPath: /var/backups/postgres
        - name: tmp
          mountPath: /tmp
        {{- range $service, $_ := $databases }}
        - name: {{ $service }}-database
          mountPath: /etc/delinkcious/secrets/{{ $service }}
          readOnly: true
        {{- end }}
  volumes:
    - name: script
      configMap: { name: postgres-backup }
    - name: backups
      persistentVolumeClaim: { claimName: {{ $backup.volumeClaim | default "postgres-backups" }} }
    - name: tmp
      emptyDir: { sizeLimit: 64Mi }
    {{- range $service, $secret := $databases }}
    - name: {{ $service }}-database
      secret:
        secretName: {{ include "delinkcious.secretName" (dict "root" $.root "name" $secret) }}
        items: [{ key: {{ include "delinkcious.databaseKey" (get $.root.Values.services $service) | trim }}, path: url }]
        defaultMode: 0440
    {{- end }}
{{- end }}
