"""A folder that is this user's alone, for what the processes of one host share."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from leanet.errors import LeanetError


def private_folder(name: str) -> Path:
    """The folder `name`, the same in all processes of this user on this host: within the temporary folder, and private.

    Raises:
        LeanetError: something else has its place, which another user may have put there.
    """
    home = Path(tempfile.gettempdir()) / f"leanet-{os.getuid()}"
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LeanetError(
            f"{home}: must be a folder that only you can write to, for locks; remove it, or set TMPDIR to another"
        )
    folder = home / name
    folder.mkdir(exist_ok=True)
    return folder
