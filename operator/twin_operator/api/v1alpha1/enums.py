"""The closed lists of values that specs are written in.

Those that the model of the field has too (algorithms, kinds of features, actions, grades) are in ``domain``,
and those that only status speaks in (phases, condition types, reasons) in ``conditions``.
"""

from enum import StrEnum


class Population(StrEnum):
    """Presets of expected columns."""

    CUSTOM = "Custom"
    HCP = "Hcp"
    PATIENT = "Patient"
    TERRITORY = "Territory"


class DataFormat(StrEnum):
    """File formats of past experiments."""

    CSV = "CSV"
    PARQUET = "Parquet"


class ApprovalPolicy(StrEnum):
    """Who lets a retraining start."""

    MANUAL = "Manual"
    AUTOMATIC = "Automatic"


class DeletionPolicy(StrEnum):
    """What happens to the registered model when its TwinModel is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Trigger(StrEnum):
    """Why a model is retrained."""

    MANUAL = "Manual"
    SCHEDULED = "Scheduled"
    FIDELITY_DEGRADED = "FidelityDegraded"
    PREDICTION_ERROR = "PredictionError"
    COVERAGE_DROP = "CoverageDrop"
    NEW_DATA = "NewData"
    SPEC_CHANGED = "SpecChanged"


class Tier(StrEnum):
    """The weight of a pool's tasks."""

    LIGHT = "Light"
    MEDIUM = "Medium"
    HEAVY = "Heavy"
