{{- /* What the bundled Redis, MLflow and PostgreSQL share: names, images, passwords, volumes. */ -}}

{{- /* The user of the bundled servers' images (redis and postgres are 999 there; MLflow runs as any user). */ -}}
{{- define "twin-operator.bundledPodSecurity" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
fsGroup: 999
# A volume with many files is not walked through at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* The image of a bundled service; the argument is its `image` value. */ -}}
{{- define "twin-operator.bundledImage" -}}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}{{ else }}{{ printf "%s:%s" .repository .tag }}{{ end }}
{{- end }}

{{- /* A service's name; the argument is (list $ "redis"). */ -}}
{{- define "twin-operator.bundledName" -}}
{{- printf "%s-%s" (include "twin-operator.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{- /* A service's host name, as Pods of any namespace say it; the argument is (list $ "redis"). */ -}}
{{- define "twin-operator.bundledHost" -}}
{{- printf "%s.%s.svc" (include "twin-operator.bundledName" .) (index . 0).Release.Namespace }}
{{- end }}

{{- /* The Secret with a service's passwords: one's own, else ours; the argument is (list $ "redis"). */ -}}
{{- define "twin-operator.bundledSecret" -}}
{{- $bundled := (index (index . 0).Values (index . 1)).bundled }}
{{- default (include "twin-operator.bundledName" .) $bundled.existingSecret }}
{{- end }}

{{- /* Labels that select a service's Pod; the argument is (list $ "redis"). */ -}}
{{- define "twin-operator.bundledSelector" -}}
{{ include "twin-operator.selectorLabels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "twin-operator.bundledLabels" -}}
{{ include "twin-operator.labels" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* A variable with a password; the argument is (dict "name" ... "secret" ... "key" ...). */ -}}
{{- define "twin-operator.passwordEnv" -}}
name: {{ .name }}
valueFrom:
  secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}
{{- end }}

{{- /* How a StatefulSet keeps its data: a claim, or an emptyDir that dies with the Pod; the argument is
       `persistence`. */ -}}
{{- define "twin-operator.dataClaim" -}}
{{- if .enabled }}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClassName }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .size }}
{{- end }}
{{- end }}
