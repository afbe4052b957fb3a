"""Digital twins of populations as Kubernetes custom resources."""
