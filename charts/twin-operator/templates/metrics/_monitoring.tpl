{{- /* The label `job` of this release's targets: alerts select the release by it. */ -}}
{{- define "twin-operator.operatorJob" -}}
{{ include "twin-operator.fullname" . }}-operator
{{- end }}

{{- define "twin-operator.eventsJob" -}}
{{ include "twin-operator.fullname" . }}-events
{{- end }}

{{- define "twin-operator.workersJob" -}}
{{ include "twin-operator.fullname" . }}-workers
{{- end }}

{{- define "twin-operator.eventsEnabled" -}}
{{- if (default dict .Values.events).enabled }}true{{ end }}
{{- end }}

{{- /* A ServiceMonitor; takes root, component and job. honorLabels: `namespace` is that of the TwinModel or pool that a
       metric is about, where it has one, and not that of the Pod that exposes it. */ -}}
{{- define "twin-operator.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .job }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- with .root.Values.metrics.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "twin-operator.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  selector:
    matchLabels:
      {{- include "twin-operator.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  namespaceSelector:
    matchNames: [{{ .root.Release.Namespace }}]
  endpoints:
    - port: metrics
      path: /metrics
      interval: {{ .root.Values.metrics.serviceMonitor.interval }}
      honorLabels: true
      relabelings:
        - targetLabel: job
          replacement: {{ .job }}
{{- end }}
