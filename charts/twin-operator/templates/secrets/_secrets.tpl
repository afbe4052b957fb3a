{{- /* Which Secrets are generated, as {arguments, here, copied}: the arguments of the command that creates them, their
       names in the release's namespace, and those that the other namespaces of pools get a copy of. Templates make no
       random value: two renderings are the same. */ -}}
{{- define "twin-operator.generatedSecrets" -}}
{{- $arguments := list (printf "--release=%s" .Release.Name) (printf "--namespace=%s" .Release.Namespace) }}
{{- $here := list }}
{{- $copied := list }}
{{- if and .Values.signing.enabled (not .Values.signing.existingSecret) }}
{{- $copied = list (include "twin-operator.signingSecret" . | fromJson).name }}
{{- $here = $copied }}
{{- $arguments = append $arguments (printf "--signing-key=%s" (first $copied)) }}
{{- range without (include "twin-operator.poolNamespaces" . | fromJsonArray) .Release.Namespace }}
{{- $arguments = append $arguments (printf "--copy-to=%s" .) }}
{{- end }}
{{- end }}
{{- range $service, $keys := dict "redis" "operator,worker,events" "postgresql" "postgres,archive,mlflow" }}
{{- $bundled := (index $.Values $service).bundled }}
{{- if and $bundled.enabled (not $bundled.existingSecret) }}
{{- $name := include "twin-operator.bundledSecret" (list $ $service) }}
{{- $here = append $here $name }}
{{- $arguments = append $arguments (printf "--passwords=%s=%s" $name $keys) }}
{{- end }}
{{- end }}
{{- if and .Values.redis.bundled.enabled .Values.redis.tls.enabled (not .Values.redis.bundled.tls.existingSecret) }}
{{- $name := include "twin-operator.redisCertificate" . }}
{{- $here = append $here $name }}
{{- $arguments = append $arguments (printf "--certificate=%s=%s" $name (include "twin-operator.bundledName" (list . "redis"))) }}
{{- end }}
{{- dict "arguments" $arguments "here" $here "copied" $copied | toJson }}
{{- end }}

{{- /* Annotations of what exists only before an installation and an upgrade; the argument is the order. */ -}}
{{- define "twin-operator.secretsHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "twin-operator.secretsLabels" -}}
{{ include "twin-operator.labels" . }}
app.kubernetes.io/component: secrets
{{- end }}

{{- /* The Job's Pod template. */ -}}
{{- define "twin-operator.secretsPod" -}}
metadata:
  labels:
    {{- include "twin-operator.secretsLabels" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "twin-operator.fullname" . }}-secrets
  restartPolicy: Never
  securityContext:
    {{- include "twin-operator.podSecurity" . | nindent 4 }}
  containers:
    - name: secrets
      image: {{ include "twin-operator.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [twin-operator, secrets, create]
      args:
        {{- (include "twin-operator.generatedSecrets" . | fromJson).arguments | toYaml | nindent 8 }}
      resources:
        requests: {cpu: 50m, memory: 128Mi}
        limits: {memory: 512Mi}
      securityContext:
        {{- include "twin-operator.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: tmp
      emptyDir: {}
{{- end }}
