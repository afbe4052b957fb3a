{{- /* Where the policies hold: in the namespaces that this operator watches, so that each of several releases knows
       its own operator. */ -}}
{{- define "twin-operator.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "twin-operator.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  # Audit: a refused attempt stands in the cluster's audit log, where there is one.
  validationActions: [Deny, Audit]
  {{- with include "twin-operator.watchNamespaces" .root | fromJsonArray }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        - {key: kubernetes.io/metadata.name, operator: In, values: {{ toJson . }}}
  {{- end }}
{{- end }}
