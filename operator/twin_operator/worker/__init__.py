"""The only place that knows Celery tasks: a worker claims a run, carries it out, and records it once."""
