"""What mypy is to catch, and the plugin that makes it catch it."""
