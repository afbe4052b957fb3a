"""Was the prediction right, and may a version serve: grades of outcomes, their window, verdicts, the gate."""
