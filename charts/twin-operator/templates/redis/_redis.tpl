{{- /* The configuration of the bundled Redis. */ -}}
{{- define "twin-operator.redisConfig" -}}
dir /data
aclfile /run/redis/users.acl
# Every write within a second is on the volume; a restart resumes where it was. No snapshots besides.
appendonly yes
appendfsync everysec
save ""
# Full memory refuses new work, and the operator tries again: a queue that evicts loses work. The limit is below that
# of the container, since the log is rewritten by a fork whose pages are copied as they change.
maxmemory {{ .Values.redis.bundled.maxMemory }}
maxmemory-policy noeviction
{{- if .Values.redis.tls.enabled }}
port 0
tls-port 6379
tls-cert-file /etc/redis/tls/tls.crt
tls-key-file /etc/redis/tls/tls.key
tls-ca-cert-file /etc/redis/tls/ca.crt
# Users have passwords; certificates of their own are not asked for.
tls-auth-clients no
tls-protocols "TLSv1.2 TLSv1.3"
{{- else }}
port 6379
{{- end }}
{{- end }}

{{- /* files/redis-users.acl as Redis reads it: a line a user. */ -}}
{{- define "twin-operator.redisUsers" -}}
{{- $lines := list }}
{{- range splitList "\n" (.Files.Get "files/redis-users.acl") }}
{{- if and . (not (hasPrefix "#" .)) }}
{{- $lines = append $lines . }}
{{- end }}
{{- end }}
{{- join "\n" $lines | replace "\n  " " " }}
{{- end }}

{{- /* The Secret with the server's certificate: one's own, else ours. */ -}}
{{- define "twin-operator.redisCertificate" -}}
{{- default (printf "%s-redis-tls" (include "twin-operator.fullname" .)) .Values.redis.bundled.tls.existingSecret }}
{{- end }}

{{- /* Which authority signs Redis' certificate, as a secretKeyRef; empty: those that the image knows. */ -}}
{{- define "twin-operator.redisAuthority" -}}
{{- if .Values.redis.tls.enabled }}
{{- if .Values.redis.bundled.enabled }}
{{- dict "name" (include "twin-operator.redisCertificate" .) "key" "ca.crt" | toJson }}
{{- else }}
{{- with .Values.redis.tls.caSecret }}{{ toJson . }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "twin-operator.redisCaVolume" -}}
{{- $ca := include "twin-operator.redisAuthority" . | fromJson }}
name: redis-ca
secret:
  secretName: {{ $ca.name }}
  items: [{key: {{ $ca.key }}, path: ca.crt}]
{{- end }}

{{- define "twin-operator.redisCaMount" -}}
name: redis-ca
mountPath: /etc/twin-operator/redis
readOnly: true
{{- end }}

{{- /* Asks as a user who may do nothing else: an answer other than PONG, such as LOADING, is a failure (-e). */ -}}
{{- define "twin-operator.redisPing" -}}
{{- $tls := ternary (list "--tls" "--cacert" "/etc/redis/tls/ca.crt") list .Values.redis.tls.enabled }}
{{- concat (list "redis-cli" "-e" "--no-auth-warning" "--user" "probe" "--pass" "probe") $tls (list "ping") | toJson }}
{{- end }}
