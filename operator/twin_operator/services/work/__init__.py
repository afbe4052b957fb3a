"""What a worker does, one module for each kind of task. No Redis, no Kubernetes."""
