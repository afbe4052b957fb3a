{{- define "twin-operator.mlflowUri" -}}
{{- if .Values.mlflow.bundled.enabled }}
{{- printf "http://%s:5000" (include "twin-operator.bundledHost" (list . "mlflow")) }}
{{- else }}
{{- .Values.mlflow.trackingUri }}
{{- end }}
{{- end }}

{{- /* What is shown to MLflow, in the variables of the mlflow package: a user and password, or a token. */ -}}
{{- define "twin-operator.mlflowCredentials" }}
{{- with .Values.mlflow.existingSecret }}
{{- if .tokenKey }}
- name: MLFLOW_TRACKING_TOKEN
  valueFrom:
    secretKeyRef: {{ dict "name" .name "key" .tokenKey | toJson }}
{{- else }}
- name: MLFLOW_TRACKING_USERNAME
  valueFrom:
    secretKeyRef: {{ dict "name" .name "key" (default "username" .usernameKey) | toJson }}
- name: MLFLOW_TRACKING_PASSWORD
  valueFrom:
    secretKeyRef: {{ dict "name" .name "key" (default "password" .passwordKey) | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Names that MLflow answers to, others being taken for an attack by DNS rebinding: the Service's, and a port
       forwarded to one's own machine. */ -}}
{{- define "twin-operator.mlflowHosts" -}}
{{- $name := include "twin-operator.bundledName" (list . "mlflow") }}
{{- $host := include "twin-operator.bundledHost" (list . "mlflow") }}
{{- $names := list $name (printf "%s.%s" $name .Release.Namespace) $host (printf "%s.cluster.local" $host) }}
{{- $hosts := list "localhost:*" "127.0.0.1:*" }}
{{- range $names }}
{{- $hosts = append $hosts (printf "%s:5000" .) }}
{{- end }}
{{- concat $hosts .Values.mlflow.bundled.allowedHosts | join "," }}
{{- end }}
