"""What --help says about each setting of each command."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from leanet.ablate import AblateSettings
from leanet.clean import CleanSettings
from leanet.config.checked import rule_of
from leanet.config.conf_files import CONF, conf_files
from leanet.config.flags import read_flags
from leanet.config.help import help_text
from leanet.config.options import options_of
from leanet.config.rules import BOOLEAN
from leanet.config.settings import Settings
from leanet.config.yaml_comments import comments_of
from leanet.export import ExportSettings
from leanet.predict import PredictSettings
from leanet.prepare import PrepareSettings
from leanet.report import choices
from leanet.report.__main__ import ReportSettings

COMMANDS: dict[str, type] = {
    "train": Settings,
    "predict": PredictSettings,
    "report": ReportSettings,
    "prepare": PrepareSettings,
    "export": ExportSettings,
    "ablate": AblateSettings,
    "clean": CleanSettings,
}
GROUPS = sorted(
    folder.name for folder in CONF.iterdir() if folder.is_dir() and folder.name not in ("hydra", "experiment")
)
SHARED = ("trained_adn", "made_map", "image_folder")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_setting_of_a_command_is_explained(name: str) -> None:
    with conf_files(name) as conf:
        found = options_of(conf, conf.composed([]), [], COMMANDS[name])
    assert found and [option.key for option in found if not option.words] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_setting_of_a_choice_is_explained(group: str) -> None:
    """By a comment in its file or in one that it builds upon, which is of the same group, or by its rule."""
    files = [*(CONF / group).glob("*.yaml"), *(CONF / f"{name}.yaml" for name in SHARED)]
    explained = {key for file in files for key in comments_of(file).of}
    assert all(comments_of(file).header for file in files)
    own = [text for file in files if "@package _global_" not in (text := file.read_text())]
    settings = {key for text in own for key in yaml.safe_load(text)}
    settings -= {"defaults", "_target_", "name", "origin"}
    assert [key for key in settings - explained if rule_of(Settings, f"{group}.{key}") is None] == []


def printed(name: str, *words: str) -> str:
    return help_text(name, read_flags(words), COMMANDS[name])


def test_the_report_lists_its_columns_and_figures_with_what_they_are() -> None:
    lines = [line.strip() for line in printed("report").splitlines()]
    for listed in (choices.COLUMNS, choices.FIGURES, choices.TABLES):
        assert all(words for words in listed.values())
        for choice in listed:
            assert any(line.startswith(f"{choice} ") for line in lines), choice


def test_choices_that_a_comment_does_not_name_are_listed() -> None:
    text = printed("train", "adn=frozen", "trainer.accelerator=cpu")
    assert "\nadn=frozen\n" in text and "\n  adn.strength=0.1 " in text
    assert "adn.fitted_to=rgb                 rgb or map; its input" in text
    assert "trainer.accelerator=cpu           where to compute: auto, cpu, gpu or" in text


def test_words_are_wrapped_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    settings = printed("ablate").partition("Settings")[2]
    assert max(map(len, settings.splitlines())) <= 60


def test_a_folder_of_ones_own_is_shown_with_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "adn/small.yaml"
    file.parent.mkdir()
    file.write_text(
        "# A small network. For tests.\n_target_: small.small\nname: small\nlr: 1e-3\nwidth: 8   # of a layer\n"
    )
    text = printed("train", "--config-dir", str(tmp_path), "adn=small")
    assert "\n  small             A small network\n" in text
    assert "adn.width=8                       of a layer" in text and "adn.lr=0.001 " in text


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("trainer.balance", ["none", "weights", "prior"]),
        ("adn.map_statistics", list(BOOLEAN.choices)),
        ("adn.weights", ["none", "imagenet", "bundled"]),
        ("point", []),
        ("adn.model", None),
        ("dataset.root", None),
        ("no.such", None),
    ],
)
def test_the_choices_of_a_setting(key: str, expected: Any) -> None:
    rule = rule_of(Settings, key)
    assert (rule and list(rule.choices)) == expected
