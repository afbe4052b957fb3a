"""The command `twin-operator`, in `main`, and the plugin `kubectl twin`, which imports little and starts fast."""
