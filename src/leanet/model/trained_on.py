"""Which images a model was trained on, by the hashes of their files."""

import hashlib
from contextlib import suppress
from pathlib import Path

from leanet.data.readers import open_file
from leanet.model.find import FoundModel
from leanet.storage.run_files import TRAINED_ON


def trained_on(found: FoundModel) -> frozenset[str]:
    """SHA-256 of the files that any of a model's networks was trained on; empty for models of older versions."""
    files = [member.folder / TRAINED_ON for member in found.members]
    return frozenset(line for file in files if file.exists() for line in file.read_text().split())


def is_among(file: Path, known: frozenset[str]) -> bool:
    """Whether a file is one of those with the given hashes; not if it is gone."""
    if not known:
        return False
    with suppress(OSError), open_file(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest() in known
    return False
