"""Fidelity: outcomes graded and recorded, the ledger of each registered model, and what a serving model needs."""
