"""TwinModels: their training, the version that serves, its fidelity, and when a retraining is due."""
