"""Banks as Arrow files: one row per past unit, fixed-width columns, so that a worker maps them into memory."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from twin_operator.domain.table.columns import Assignment, Better, Columns, Feature, FeatureType, OutcomeType
from twin_operator.domain.twin import Bank

FILE: Final = "bank.arrow"
FORMAT: Final = "2"  # of this file; another number is refused
VECTORS: Final = ("arm", "outcome", "experiment", "cluster", "weight", "fold", "unit_hash", "content")
MATRICES: Final = ("propensity", "nuisance", "score")


def write_bank(bank: Bank, directory: Path) -> Path:
    """Write `bank` into `directory` and return the file's path."""
    arms = len(bank.arms)
    arrays = {f"feature:{name}": pa.array(values) for name, values in bank.features.items()}
    arrays |= {name: pa.array(getattr(bank, name)) for name in VECTORS}
    arrays |= {name: _matrix(getattr(bank, name), arms) for name in MATRICES}
    arrays["possible"] = _matrix(bank.possible.astype(np.uint8), arms)
    arrays["held_out"] = pa.array(bank.held_out.astype(np.uint8))
    if bank.time is not None:
        arrays["time"] = pa.array(bank.time)
    table = pa.table(arrays).replace_schema_metadata({"twinops": json.dumps(_head(bank))})
    path = directory / FILE
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return path


def read_bank(directory: Path) -> Bank:
    """Map the bank in `directory` into memory.

    Raises:
        ValueError: when the file was written in another format.
    """
    path = directory / FILE
    with pa.memory_map(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    head = json.loads(table.schema.metadata[b"twinops"])
    if head["format"] != FORMAT:
        raise ValueError(f"{path} has format {head['format']}, this version reads {FORMAT}")
    arms = len(head["arms"])
    return Bank(
        columns=_columns(head["columns"]),
        arms=tuple(head["arms"]),
        experiments=tuple(head["experiments"]),
        levels={name: tuple(levels) for name, levels in head["levels"].items()},
        features={name.partition(":")[2]: _vector(table[name]) for name in _feature_names(table)},
        **{name: _vector(table[name]) for name in VECTORS},
        **{name: _unmatrix(table[name], arms) for name in MATRICES},
        possible=_unmatrix(table["possible"], arms).view(bool),
        held_out=_vector(table["held_out"]).view(bool),
        time=_vector(table["time"]) if "time" in table.column_names else None,
    )


def _head(bank: Bank) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "columns": asdict(bank.columns),
        "arms": bank.arms,
        "experiments": bank.experiments,
        "levels": bank.levels,
    }


def _columns(value: dict[str, Any]) -> Columns:
    features = tuple(Feature(f["name"], FeatureType(f["type"])) for f in value["features"])
    kinds = {
        "outcome_type": OutcomeType(value["outcome_type"]),
        "better": Better(value["better"]),
        "assignment": Assignment(value["assignment"]),
    }
    return Columns(**{**value, **kinds, "features": features})


def _feature_names(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name.startswith("feature:")]


def _matrix(values: np.ndarray[Any, Any], width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), width)


def _vector(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    return np.asarray(_chunk(column).to_numpy(zero_copy_only=True))


def _unmatrix(column: pa.ChunkedArray, width: int) -> np.ndarray[Any, Any]:
    return np.asarray(_chunk(column).flatten().to_numpy(zero_copy_only=True)).reshape(-1, width)


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
