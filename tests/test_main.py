"""leanet COMMAND: which commands there are, and what becomes of the rest."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from leanet import __main__
from leanet.config.commands import COMMANDS
from leanet.version import __version__

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def given(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["leanet", *words])
    __main__.main()


def test_pip_installs_each_command_and_one_for_all() -> None:
    scripts = tomllib.loads(PROJECT.read_text())["project"]["scripts"]
    assert set(scripts) == {"leanet", *(f"leanet-{name}" for name in COMMANDS)}
    for target in scripts.values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_help_and_version_import_next_to_nothing() -> None:
    for words, text in (
        ([], "  predict  classify images"),
        (["--help"], "leanet COMMAND"),
        (["--version"], __version__),
    ):
        code = "import sys; from leanet.__main__ import main; main(); print('hydra' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        assert text in found.stdout and found.stdout.endswith("\nFalse\n"), found.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_called_with_its_arguments(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("leanet.report.__main__" if name == "report" else f"leanet.{name}")
    monkeypatch.setattr(module, "main", lambda: calls.append(sys.argv))
    calls: list[list[str]] = []
    given(monkeypatch, name, "a=b", "--help")
    assert calls == [[f"leanet-{name}", "a=b", "--help"]]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("trian", "leanet: trian is no command, did you mean leanet train? leanet --help lists all"),
        ("xyz a=b", "leanet: xyz is no command; leanet --help lists all"),
        ("adn=cnn", "leanet: adn=cnn: a command comes first, as in leanet train adn=cnn; leanet --help lists all"),
    ],
)
def test_what_is_no_command_is_told_in_one_line(words: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ended:
        given(monkeypatch, *words.split())
    assert ended.value.code == told
