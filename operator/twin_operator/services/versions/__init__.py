"""From modelRef to the version that answers: TwinModels as the operator sees them, and the registry."""
