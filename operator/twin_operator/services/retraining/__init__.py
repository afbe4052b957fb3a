"""Retraining: what triggers it (`triggers`, `schedule`), and a RetrainingJob from its creation to its end.

Decisions are pure: `plan` and `work` decide on one job, `jobs` on which job of a model may run; `controller`
carries them out, with `tasks`. Whether a model needs a job is asked in `services.twin_models`.
"""
