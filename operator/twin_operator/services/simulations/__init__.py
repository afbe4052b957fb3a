"""Simulations, from their creation to the answer in their status."""
