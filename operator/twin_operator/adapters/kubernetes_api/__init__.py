"""The Kubernetes API: `client` sends requests, `resources` knows the paths of the operator's objects."""
