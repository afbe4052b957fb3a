"""Retraining: what asks for it (`triggers`), a RetrainingJob's way (`jobs`), its tasks, and the way back.

Decisions are pure; `job_reconciler` carries them out for jobs, `services.model_keeper` for models.
"""
