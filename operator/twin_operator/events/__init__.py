"""The process that turns Celery's events into metrics; it needs no access to the Kubernetes API."""
