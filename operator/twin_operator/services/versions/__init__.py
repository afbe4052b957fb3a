"""From modelRef to the version that answers: the versions that TwinModels have active, and the registry."""
