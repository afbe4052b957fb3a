"""Copies an archive into another one, whichever databases they are in."""

from contextlib import closing

from twin_operator.adapters.sql_archive.archive import SqlArchive
from twin_operator.adapters.sql_archive.reader import ArchiveReader
from twin_operator.adapters.sql_archive.schema import METADATA


def copy_archive(source: str, target: str) -> dict[str, int]:
    """Add the rows of `source` to `target`, which is made where it is not there, and return their number by table.

    What `target` knows already stays; after a failure it may be run again.

    Raises:
        ArchiveUnreachable: one of them does not answer.
        ArchiveUnusable: one of them is no archive of this version.
    """
    counts = dict.fromkeys(sorted(METADATA.tables), 0)
    with closing(ArchiveReader(source)) as reader, closing(SqlArchive(target)) as archive:
        reader.check()  # nothing is made for an archive that is not there
        archive.open()
        for name in counts:
            for rows in reader.table(METADATA.tables[name]):
                archive.add(METADATA.tables[name], rows)
                counts[name] += len(rows)
    return counts
