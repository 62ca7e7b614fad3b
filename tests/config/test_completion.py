"""Tab completion: the words that are offered, and a real bash that takes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leanet.config.commands import COMMANDS
from leanet.config.completion import complete, offers
from leanet.config.settings import Settings
from leanet.errors import LeanetError
from leanet.report.__main__ import ReportSettings

OFFERED: dict[str, list[str]] = {
    "trainer.balance=": ["none", "weights", "prior"],
    "trainer.balance=w": ["weights"],
    "trainer.compile=": ["auto", "true", "false"],
    "hydra.sweeper.dry_run=": ["true", "false"],
    "caan=": ["direct", "mobilenet", "none", "resnet", "timm"],
    "-m seed=0,1 adn=cnn,vgg": ["cnn,vgg16", "cnn,vgg19"],
    "adn=frozen adn.stages=": ["[3,4,5]"],
    "dataset=folder dataset.root=": [],  # files, which the shell offers
}


@pytest.mark.parametrize("typed", OFFERED)
def test_values_are_offered(typed: str) -> None:
    name = typed.split()[-1].partition("=")[0]
    assert offers(f"leanet-train {typed}", "train", Settings) == [f"{name}={value}" for value in OFFERED[typed]]


def test_names_are_offered() -> None:
    assert offers("leanet-train adn=frozen tra", "train", Settings) == ["trainer.", "trainer="]
    assert offers("leanet-train adn=frozen adn.st", "train", Settings) == ["adn.stages=", "adn.strength="]
    assert offers("leanet-train dataset=typo adn.fr", "train", Settings) == ["adn.freeze="]
    assert {"adn=", "point=", "paths.", "experiment="} <= {*offers("leanet-train ", "train", Settings)}
    assert offers("leanet-train --conf", "train", Settings) == ["--config-dir"]


def test_lists_are_offered_part_by_part() -> None:
    found = offers("leanet-report columns=[f1,collap", "report", ReportSettings)
    assert found == ["columns=[f1,collapsed"]
    assert "figure=lifts" in offers("leanet-report figure=", "report", ReportSettings)


def test_choices_of_ones_own_are_offered(tmp_path: Path) -> None:
    file = tmp_path / "adn/small.yaml"
    file.parent.mkdir()
    file.write_text("_target_: small.small\nname: small\nlr: 1\nwidth: 8\n")
    line = f"leanet-train --config-dir {tmp_path} adn="
    assert "adn=small" in offers(line, "train", Settings)
    assert offers(f"{line}small adn.w", "train", Settings) == ["adn.width="]


def test_other_shells_and_tasks_are_refused() -> None:
    assert complete(["install=fish"], "train", Settings).count("complete -c leanet") == len(COMMANDS) + 1
    assert "compdef _leanet leanet leanet-train " in complete(["install=zsh"], "train", Settings)
    for words in ([], ["install=tcsh"], ["uninstall=bash"]):
        with pytest.raises(LeanetError, match=r"^-sc prints the script .*: give install=bash"):
            complete(words, "train", Settings)


BASH = """
eval "$(leanet -sc install=bash)"
for COMP_LINE in "leanet pre" "leanet train adn=res"; do
    COMP_POINT=${#COMP_LINE}
    _leanet "${COMP_LINE%% *}"
    printf '%s|' "${COMPREPLY[@]}"
done
"""


def test_bash_takes_what_is_offered(tmp_path: Path) -> None:
    """Names of commands with a space behind them; values without what is in front of =."""
    (tmp_path / "leanet").write_text(f'#!/bin/sh\nexec {sys.executable} -m leanet "$@"\n')
    (tmp_path / "leanet").chmod(0o755)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    found = subprocess.run(["bash", "--norc", "-c", BASH], env=env, capture_output=True, text=True)
    assert found.stdout == "predict |prepare |resnet18|resnet50|", found.stderr
