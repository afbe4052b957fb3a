"""The cells of a column as the domain takes them, by the part that the column plays and then by its type in the file.

Labels and times go on as texts or the values that they are, numbers as float64, or as texts that the domain parses:
the same text then means the same in every format.
"""

import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds

from twin_operator.api.v1alpha1.conditions import Reason
from twin_operator.services.reconciling.errors import Stalled
from twin_operator.services.runs.twin_spec import Part, Source

logger = logging.getLogger(__name__)
Values = np.ndarray[Any, Any]
Decode = Callable[[pa.ChunkedArray], Values]

NEEDED: Final = {
    Part.LABEL: "labels need text, numbers, truth values, dates or timestamps",
    Part.NUMBER: "a number needs numbers, truth values or text",
    Part.TIME: "a time needs timestamps, dates, integers or text",
}


def column_values(column: pa.ChunkedArray, name: str, source: Source) -> Values:
    """Return (n,) float64, datetime64 or objects that are None where missing; equal texts are the same object.

    Raises:
        Stalled: `DataInvalid`: its part cannot take the type of the column, or its text is not UTF-8.
    """
    part = source.columns[name]
    try:
        plain = _plain(column)
        decode = _decoding(plain.type, part)
        if decode is not None:
            return decode(plain)
    except UnicodeDecodeError as error:
        raise Stalled(
            Reason.DATA_INVALID, f"{source.uri} has a column {name} whose text is not UTF-8; save the file as UTF-8."
        ) from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        logger.warning("Column %s of %s cannot be converted.", name, source.uri, exc_info=error)
    raise Stalled(
        Reason.DATA_INVALID, f"{source.uri} has a column {name} that holds {_named(column.type)}; {NEEDED[part]}."
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as one of a type that has all the functions below, with the same values."""
    kind = column.type
    if kinds.is_dictionary(kind) and not _is_text(kind.value_type):
        return _plain(column.cast(kind.value_type))
    if kinds.is_null(kind):
        return column.cast(pa.string())
    if kinds.is_string_view(kind):
        return column.cast(pa.large_string())
    if kinds.is_binary_view(kind):
        return column.cast(pa.large_binary())
    return column


def _decoding(kind: pa.DataType, part: Part) -> Decode | None:
    """Return what makes values of a type those of a part; None where the part cannot take them."""
    if kinds.is_dictionary(kind) or _is_text(kind):
        return _texts
    if kinds.is_decimal(kind):
        return _decimals
    by_part = {Part.LABEL: _label_decoding, Part.NUMBER: _number_decoding, Part.TIME: _time_decoding}
    return by_part[part](kind)


def _label_decoding(kind: pa.DataType) -> Decode | None:
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return _iso_texts
    if kinds.is_float16(kind) or kinds.is_float32(kind):
        return _short_floats
    return _objects if kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind) else None


def _number_decoding(kind: pa.DataType) -> Decode | None:
    if kinds.is_boolean(kind):
        return lambda column: _floats(column.cast(pa.int8()))
    return _floats if kinds.is_integer(kind) or kinds.is_floating(kind) else None


def _time_decoding(kind: pa.DataType) -> Decode | None:
    if kinds.is_timestamp(kind) or kinds.is_date(kind):
        return _moments
    return _objects if kinds.is_integer(kind) or kinds.is_floating(kind) else None


def _floats(column: pa.ChunkedArray) -> Values:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)  # rounds beyond 2^53


def _moments(column: pa.ChunkedArray) -> Values:
    """Times in the column's own unit, of UTC: another unit might overflow."""
    return np.asarray(column.to_numpy())


def _objects(column: pa.ChunkedArray) -> Values:
    if kinds.is_float16(column.type):
        column = column.cast(pa.float64())
    return _shared(column, lambda values: values.to_pylist())


def _texts(column: pa.ChunkedArray) -> Values:
    return _shared(column, lambda values: [_decoded(value) for value in values.to_pylist()])


def _decoded(value: str | bytes | None) -> str | None:
    return (value.decode() if isinstance(value, bytes) else value) or None


def _decimals(column: pa.ChunkedArray) -> Values:
    wide = column.type if kinds.is_decimal256(column.type) else pa.decimal128(38, column.type.scale)
    return _shared(column.cast(wide), lambda values: [_written(value) for value in values.to_pylist()])


def _written(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _iso_texts(column: pa.ChunkedArray) -> Values:
    zone = "+00:00" if kinds.is_timestamp(column.type) and column.type.tz else ""
    return _shared(column, lambda values: [_iso_text(value, zone) for value in values.to_numpy(zero_copy_only=False)])


def _iso_text(moment: np.datetime64, zone: str) -> str | None:
    if np.isnat(moment):
        return None
    text = str(np.datetime_as_string(moment))
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}{zone}"


def _short_floats(column: pa.ChunkedArray) -> Values:
    """Floats of fewer than 64 bits by their shortest decimal form: 0.1, not 0.10000000149011612."""
    values = column.to_numpy()
    texts: dict[Any, float | None] = {each: float(str(each)) for each in np.unique(values[~np.isnan(values)])}
    return _array(texts.get(value) for value in values)


def _shared(column: pa.ChunkedArray, decode: Callable[[pa.Array], list[Any]]) -> Values:
    """Decode the distinct values of a column once each."""
    encoded = column if kinds.is_dictionary(column.type) else column.dictionary_encode()
    whole = encoded.unify_dictionaries().combine_chunks()
    positions = whole.indices.cast(pa.int64()).fill_null(-1).to_numpy()
    return np.asarray(_array([*decode(whole.dictionary), None])[positions])


def _array(values: Iterable[Any]) -> Values:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_fixed_size_binary(kind)
    )


def _named(kind: pa.DataType) -> str:
    """Return what values of a type are called in messages."""
    if kinds.is_nested(kind):
        return "lists, structs or maps"
    names = {"timestamps": kinds.is_timestamp, "dates": kinds.is_date, "truth values": kinds.is_boolean}
    return next((name for name, matches in names.items() if matches(kind)), f"values of the type {kind}")
