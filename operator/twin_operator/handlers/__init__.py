"""The only place that knows kopf: events in, calls of services out."""
