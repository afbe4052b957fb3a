"""Past experiments as files: an address is parsed once, checked against the allow list, and opened as it was parsed."""

from twin_operator.adapters.data_source.allow_list import AllowedPrefix
from twin_operator.adapters.data_source.reader import FileDataSource

__all__ = ["AllowedPrefix", "FileDataSource"]
