{{- /* Variable and address of a database of the bundled PostgreSQL. */ -}}
{{- define "twin-operator.archivePassword" -}}
{{- $secret := include "twin-operator.bundledSecret" (list . "postgresql") }}
{{- include "twin-operator.passwordEnv" (dict "name" "ARCHIVE_PASSWORD" "secret" $secret "key" "archive") }}
{{- end }}

{{- define "twin-operator.mlflowPassword" -}}
{{- $secret := include "twin-operator.bundledSecret" (list . "postgresql") }}
{{- include "twin-operator.passwordEnv" (dict "name" "MLFLOW_PASSWORD" "secret" $secret "key" "mlflow") }}
{{- end }}

{{- /* The argument is (dict "root" $ "driver" ... "name" ...); user, database and variable are of that name. */ -}}
{{- define "twin-operator.databaseUrl" -}}
{{- $host := include "twin-operator.bundledHost" (list .root "postgresql") }}
{{- printf "%s://%s:$(%s_PASSWORD)@%s:5432/%s" .driver .name (upper .name) $host .name }}
{{- end }}
