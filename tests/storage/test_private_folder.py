import os
import tempfile
from pathlib import Path

import pytest

from leanet.errors import LeanetError
from leanet.storage.locks import lock
from leanet.storage.private_folder import private_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the private folder is to be."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"leanet-{os.getuid()}"


def test_only_its_owner_may_enter(home: Path) -> None:
    before = os.umask(0)
    try:
        assert private_folder("locks") == private_folder("locks") == home / "locks"
    finally:
        os.umask(before)
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_link_is_refused_and_nothing_is_written_where_it_leads(home: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    home.symlink_to(victim)
    with pytest.raises(LeanetError, match=r"only you can write to, for locks; .* set TMPDIR"), lock(tmp_path / "run"):
        pass
    assert not list(victim.iterdir())


def test_a_folder_that_others_can_write_to_is_refused(home: Path) -> None:
    home.mkdir()
    home.chmod(0o777)
    with pytest.raises(LeanetError, match="only you can write to"):
        private_folder("locks")


def test_another_user_s_folder_is_refused(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.getuid() + 1
    (tmp_path / f"leanet-{other}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(LeanetError, match="only you can write to"):
        private_folder("locks")


def test_a_file_in_its_place_is_told(home: Path) -> None:
    home.touch()
    with pytest.raises(LeanetError, match="only you can write to"):
        private_folder("locks")
