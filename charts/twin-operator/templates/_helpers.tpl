{{- define "twin-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "twin-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twin-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "twin-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "twin-operator.labels" -}}
{{ include "twin-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: twin-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "twin-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "twin-operator.serviceAccountName" -}}
{{- default (include "twin-operator.fullname" .) .Values.operator.serviceAccount.name }}
{{- end }}

{{- define "twin-operator.workerServiceAccountName" -}}
{{- default (printf "%s-worker" (include "twin-operator.fullname" .)) .Values.workers.serviceAccount.name }}
{{- end }}

{{- /* The service accounts that no worker may have, also where the values leave their Pods out. */ -}}
{{- define "twin-operator.ownServiceAccounts" -}}
{{- $names := list (include "twin-operator.serviceAccountName" .) }}
{{- range tuple "secrets" "crds" "events" "test" }}
{{- $names = append $names (printf "%s-%s" (include "twin-operator.fullname" $) .) }}
{{- end }}
{{- toJson $names }}
{{- end }}

{{- /* Namespaces whose TwinModels, Simulations and RetrainingJobs are reconciled; empty means all of them. */ -}}
{{- define "twin-operator.watchNamespaces" -}}
{{- if .Values.watchNamespaces }}
{{- append .Values.watchNamespaces .Release.Namespace | concat .Values.workerPools.namespaces | uniq | sortAlpha | toJson }}
{{- else }}
{{- list | toJson }}
{{- end }}
{{- end }}

{{- /* Namespaces where worker pools run. */ -}}
{{- define "twin-operator.poolNamespaces" -}}
{{- append .Values.workerPools.namespaces .Release.Namespace | uniq | sortAlpha | toJson }}
{{- end }}

{{- /* Where Redis is, for one of its users: `redisUser` next to the root's keys is operator (the default), worker or
       events. The bundled Redis' password comes from the variable REDIS_PASSWORD, which stands before it. */ -}}
{{- define "twin-operator.redisEnv" -}}
{{- $user := default "operator" .redisUser }}
name: TWINOPS_REDIS_URL
{{- if .Values.redis.bundled.enabled }}
{{- $scheme := ternary "rediss" "redis" .Values.redis.tls.enabled }}
value: {{ printf "%s://%s:$(REDIS_PASSWORD)@%s:6379/0" $scheme $user (include "twin-operator.bundledHost" (list . "redis")) | quote }}
{{- else if .Values.redis.existingSecret }}
{{- $secret := .Values.redis.existingSecret }}
valueFrom:
  secretKeyRef: {{ dict "name" $secret.name "key" (default $secret.key (get $secret (printf "%sKey" $user))) | toJson }}
{{- else }}
value: {{ .Values.redis.url | quote }}
{{- end }}
{{- end }}

{{- define "twin-operator.redisPassword" -}}
{{- $secret := include "twin-operator.bundledSecret" (list . "redis") }}
{{- include "twin-operator.passwordEnv" (dict "name" "REDIS_PASSWORD" "secret" $secret "key" (default "operator" .redisUser)) }}
{{- end }}

{{- /* All that it takes to reach Redis, as a list of EnvVar objects; with `redisUser` as above. */ -}}
{{- define "twin-operator.redisVariables" -}}
{{- if .Values.redis.bundled.enabled }}
- {{ include "twin-operator.redisPassword" . | nindent 2 | trim }}
{{- end }}
- {{ include "twin-operator.redisEnv" . | nindent 2 | trim }}
{{- if include "twin-operator.redisAuthority" . }}
- name: TWINOPS_REDIS_CA_FILE
  value: /etc/twin-operator/redis/ca.crt
{{- end }}
{{- end }}

{{- /* The Secret with the key that signs messages, as {name, key}. */ -}}
{{- define "twin-operator.signingSecret" -}}
{{- $generated := dict "name" (printf "%s-signing" (include "twin-operator.fullname" .)) "key" "key" }}
{{- default $generated .Values.signing.existingSecret | toJson }}
{{- end }}

{{- /* The key, and in the same Secret the previous one, while the key is changed. */ -}}
{{- define "twin-operator.signingEnv" -}}
{{- $secret := include "twin-operator.signingSecret" . | fromJson }}
{{- $previous := dict "name" $secret.name "key" "previous" "optional" true -}}
- name: TWINOPS_SIGNING_KEY
  valueFrom:
    secretKeyRef: {{ toJson $secret }}
- name: TWINOPS_SIGNING_KEY_PREVIOUS
  valueFrom:
    secretKeyRef: {{ toJson $previous }}
{{- end }}

{{- /* Where the archive is: only the operator opens it. */ -}}
{{- define "twin-operator.archiveEnv" -}}
name: TWINOPS_ARCHIVE_URL
{{- if .Values.archive.existingSecret }}
valueFrom:
  secretKeyRef: {{ toJson .Values.archive.existingSecret }}
{{- else if include "twin-operator.archiveBundled" . }}
value: {{ include "twin-operator.databaseUrl" (dict "root" . "driver" "postgresql+psycopg" "name" "archive") | quote }}
{{- else }}
value: {{ default "sqlite:////var/lib/twin-operator/archive.db" .Values.archive.url | quote }}
{{- end }}
{{- end }}

{{- /* Not empty where the archive is in the bundled PostgreSQL. */ -}}
{{- define "twin-operator.archiveBundled" -}}
{{- if and .Values.postgresql.bundled.enabled (not (or .Values.archive.url .Values.archive.existingSecret)) }}true{{ end }}
{{- end }}

{{- /* Not empty where the archive is a file on a volume. */ -}}
{{- define "twin-operator.archiveInFile" -}}
{{- if not (or .Values.archive.url .Values.archive.existingSecret .Values.postgresql.bundled.enabled) }}true{{ end }}
{{- end }}

{{- define "twin-operator.archiveVolume" -}}
{{- $claim := printf "%s-archive" (include "twin-operator.fullname" .) }}
{{- $default := dict "persistentVolumeClaim" (dict "claimName" $claim) }}
{{- merge (dict "name" "archive") (default $default .Values.archive.volume) | toYaml }}
{{- end }}

{{- /* What operator and workers both need to know, as a list of EnvVar objects. */ -}}
{{- define "twin-operator.sharedEnv" -}}
{{- include "twin-operator.redisVariables" . }}
- name: TWINOPS_MLFLOW_TRACKING_URI
  value: {{ include "twin-operator.mlflowUri" . | quote }}
{{- include "twin-operator.mlflowCredentials" . }}
- name: TWINOPS_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: TWINOPS_DATA_ALLOW
  value: {{ .Values.data.allow | toJson | quote }}
- name: TWINOPS_LOG_FORMAT
  value: {{ .Values.logFormat | quote }}
{{- if .Values.events.enabled }}
- name: TWINOPS_TASK_EVENTS
  value: "true"
{{- end }}
{{- with .Values.tracing }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .sampleRatio | quote }}
{{- end }}
{{- end }}
{{- if .Values.signing.enabled }}
{{ include "twin-operator.signingEnv" . }}
{{- end }}
{{- end }}

{{- /* The environment that the operator puts into worker Pods. `$$` keeps the kubelet from expanding $(...) too early:
       the text passes through the operator's own environment first. */ -}}
{{- define "twin-operator.workerEnv" -}}
{{- $shared := include "twin-operator.sharedEnv" (merge (dict "redisUser" "worker") .) | fromYamlArray }}
{{- concat $shared .Values.workers.env | toJson | replace "$(" "$$(" }}
{{- end }}

{{- /* A pool's partial PodTemplateSpec: the data volume and resources, with the pool's own template over it. Lists are
       replaced by that merge, so a template of one's own names the data mount again where it lists containers. */ -}}
{{- define "twin-operator.poolTemplate" -}}
{{- $data := .root.Values.workers.data }}
{{- $worker := dict "name" "worker" "resources" (default dict .pool.resources) }}
{{- $spec := dict "containers" (list $worker) }}
{{- if $data.volume }}
{{- $_ := set $worker "volumeMounts" (list (dict "name" "data" "mountPath" $data.mountPath "readOnly" $data.readOnly)) }}
{{- $_ := set $spec "volumes" (list (merge (dict "name" "data") $data.volume)) }}
{{- end }}
{{- mergeOverwrite (dict "spec" $spec) (default dict .pool.template) | toYaml }}
{{- end }}

{{- /* What templates of pools may name, as the operator reads it. */ -}}
{{- define "twin-operator.templatesAllowed" -}}
{{- $data := .Values.workers.data }}
{{- merge (dict "dataVolume" (default dict $data.volume) "dataReadOnly" $data.readOnly) .Values.workerPools.allowed | toJson }}
{{- end }}

{{- /* A value of YAML as an expression of CEL, whose literals need an explicit type where their items differ in type. */ -}}
{{- define "twin-operator.celLiteral" -}}
{{- if kindIs "map" . }}
{{- $fields := list }}
{{- range $key, $value := . }}
{{- $fields = append $fields (printf "%s: %s" (toJson $key) (include "twin-operator.celLiteral" $value)) }}
{{- end }}
{{- printf "dyn({%s})" (join ", " $fields) }}
{{- else if kindIs "slice" . }}
{{- $items := list }}
{{- range . }}
{{- $items = append $items (include "twin-operator.celLiteral" .) }}
{{- end }}
{{- printf "dyn([%s])" (join ", " $items) }}
{{- else }}
{{- printf "dyn(%s)" (toJson .) }}
{{- end }}
{{- end }}

{{- /* Annotations of what exists only before an upgrade; the argument is the order. */ -}}
{{- define "twin-operator.upgradeHook" -}}
helm.sh/hook: pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- /* Annotations of what exists only while `helm test` runs; the argument is the order. A Pod that failed stays, for its
       log. */ -}}
{{- define "twin-operator.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "twin-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "twin-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* What every worker Pod has besides, whatever its pool's template says: a partial PodTemplateSpec, or nothing. */ -}}
{{- define "twin-operator.workerTemplate" -}}
{{- if include "twin-operator.redisAuthority" . }}
{{- $mount := include "twin-operator.redisCaMount" . | fromYaml }}
{{- $container := dict "name" "worker" "volumeMounts" (list $mount) }}
{{- $volume := include "twin-operator.redisCaVolume" . | fromYaml }}
{{- dict "spec" (dict "containers" (list $container) "volumes" (list $volume)) | toJson | replace "$(" "$$(" }}
{{- end }}
{{- end }}

{{- /* Puts the default back for each value that is null: Helm takes such a value away, and templates would read from
nothing. Every template begins with it, since Helm promises no order of them. */ -}}
{{- define "twin-operator.defaults" -}}
{{- range $path, $default := .Files.Get "files/defaults.yaml" | fromYaml }}
{{- $names := splitList "." $path }}
{{- $section := $.Values }}
{{- range initial $names }}
{{- if not (kindIs "map" (index $section .)) }}
{{- $_ := set $section . dict }}
{{- end }}
{{- $section = index $section . }}
{{- end }}
{{- if kindIs "invalid" (index $section (last $names)) }}
{{- $_ := set $section (last $names) $default }}
{{- end }}
{{- end }}
{{- end }}
