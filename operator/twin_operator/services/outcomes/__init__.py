"""Outcomes of experiments: graded, recorded once, and what they say of the version that serves."""
