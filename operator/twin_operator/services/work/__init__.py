"""What a worker does for each kind of task. No Redis, no Kubernetes."""
