"""What travels between operator and workers: tasks, runs and results, their payloads, and the trace of a run."""
