"""What every controller shares: ports, views of objects, conditions and patches, the queue of keys, metrics, errors."""
