"""The node agent: a Node whose Pods are local processes, with the honest status of a kubelet.

Decisions (`status`, `fields`, `environment`, `backoff`) are pure; `pod` and `container` carry them
out, `api` talks to the API server.  What it emulates and what not stands in docs/devcluster.md.
Of the security context, `runAsUser`, `readOnlyRootFilesystem`, capabilities and seccomp are not
enforced, nor are resource requests and limits.
"""
