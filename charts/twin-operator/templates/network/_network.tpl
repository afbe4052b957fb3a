{{- /* A NetworkPolicy's head; the argument is (list $ NAME COMPONENT). Workers are the operator's own Pods: they have its
       labels and not the release's, in every namespace of pools. */ -}}
{{- define "twin-operator.policyHead" -}}
{{- $root := index . 0 }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "twin-operator.fullname" $root }}-{{ index . 1 }}
  namespace: {{ default $root.Release.Namespace (get (index . 2) "namespace") }}
  labels:
    {{- include "twin-operator.labels" $root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- (index . 2).labels | toYaml | nindent 6 }}
{{- end }}

{{- define "twin-operator.workerLabels" -}}
{app.kubernetes.io/name: twin-operator, app.kubernetes.io/component: worker}
{{- end }}

{{- /* Peers: our workers, wherever their pools are. */ -}}
{{- define "twin-operator.workerPeer" -}}
- namespaceSelector:
    matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ include "twin-operator.poolNamespaces" . }}
  podSelector:
    matchLabels: {{ include "twin-operator.workerLabels" . }}
{{- end }}

{{- /* Peers: Pods of the release with one of some components; the argument is (list $ "operator" ...). */ -}}
{{- define "twin-operator.releasePeer" -}}
- podSelector:
    matchLabels:
      {{- include "twin-operator.selectorLabels" (index . 0) | nindent 6 }}
    matchExpressions:
      - {key: app.kubernetes.io/component, operator: In, values: {{ slice . 1 | toJson }}}
{{- end }}

{{- /* A bundled service from wherever; the argument is (list $ "redis" PORT). */ -}}
{{- define "twin-operator.toBundled" -}}
- to:
    - namespaceSelector:
        matchLabels: {kubernetes.io/metadata.name: {{ (index . 0).Release.Namespace }}}
      podSelector:
        matchLabels:
          {{- include "twin-operator.bundledSelector" (list (index . 0) (index . 1)) | nindent 10 }}
  ports: [{port: {{ index . 2 }}, protocol: TCP}]
{{- end }}

{{- define "twin-operator.toNames" -}}
- to:
    - namespaceSelector: {}
      podSelector:
        matchLabels: {k8s-app: kube-dns}
    {{- with .Values.networkPolicy.egress.nodeLocalDns }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{- /* Where Redis and MLflow are: the bundled ones, else what egress.redis and egress.mlflow say. */ -}}
{{- define "twin-operator.toRedis" -}}
{{- if .Values.redis.bundled.enabled }}
{{- include "twin-operator.toBundled" (list . "redis" 6379) }}
{{- else }}
{{- toYaml .Values.networkPolicy.egress.redis }}
{{- end }}
{{- end }}

{{- define "twin-operator.toMlflow" -}}
{{- if .Values.mlflow.bundled.enabled }}
{{- include "twin-operator.toBundled" (list . "mlflow" 5000) }}
{{- else }}
{{- toYaml .Values.networkPolicy.egress.mlflow }}
{{- end }}
{{- end }}

{{- define "twin-operator.fromMetrics" -}}
- from:
    {{- toYaml .Values.networkPolicy.metricsFrom | nindent 4 }}
  ports: [{port: 9090, protocol: TCP}]
{{- end }}
