"""A private folder of this user, shared by the processes of one host."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from leanet.errors import LeanetError


def private_folder(name: str) -> Path:
    """The folder `name` inside the temporary folder, the same for all processes of this user on this host.

    Only the user can write to it.

    Raises:
        LeanetError: the path is not a folder of this user, or others can write to it.
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
