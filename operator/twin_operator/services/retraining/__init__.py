"""Retraining: what triggers it (`triggers`), a RetrainingJob from its creation to its end (`plan`, `state`), its tasks.

Decisions are pure; `controller` carries them out. Which model needs a job is decided in `services.twin_models`.
"""
