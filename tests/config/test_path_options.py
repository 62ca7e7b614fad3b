"""Whatever a folder is called, its name can be typed: Hydra's own parser and real commands read back the same path."""

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from PIL import Image

from leanet.config.path_options import as_texts, expand_variables, expanded, list_as_texts
from leanet.errors import LeanetError
from leanet.grid.products import expand

ODD = [
    "ü",
    "a=b",
    "x [1]",
    "it's",
    '"',
    "a,b",
    "${HOME}",
    "back\\slash\\",
    "{a: 1}",
    "007",
    "1e5",
    "true",
    "(x)",
    "%#@!&",
]


def read_back(argument: str) -> str:
    """The value that Hydra and OmegaConf make of it."""
    override = OverridesParser.create().parse_override(argument)
    return str(OmegaConf.to_container(OmegaConf.create({"path": override.value()}), resolve=True)["path"])  # type: ignore


def test_any_path_is_read_back_as_it_was_typed() -> None:
    draw = random.Random(0)
    letters = "abü=[]{}()$\\'\"`~ ,;:#@!%&*?+-/.07_"
    drawn = ["".join(draw.choices(letters, k=draw.randint(1, 9))) for _ in range(400)]
    for path in [*ODD, *(path for path in drawn if path[0] not in "'\"~" and path != "null")]:
        if path[0] == '"':
            continue  # which is for those who quote by themselves
        (argument,) = as_texts([f"dataset.root={path}"])
        assert read_back(argument) == path, argument


def test_in_a_sweep_a_comma_separates_paths_and_quotes_keep_one_together() -> None:
    arguments = as_texts(["-m", "dataset.root=a [1]/ü,b=c,'d,e'", "seed=1,2"])[1:]
    cells = [dict(word.split("=", 1) for word in cell) for cell in expand([{}], arguments)]
    assert [read_back(f"x={cell['dataset.root']}") for cell in cells] == [
        path for path in ("a [1]/ü", "b=c", "d,e") for _ in range(2)
    ]
    assert as_texts(["-m", "source=choice(a,b)"])[1] == "source=choice(a,b)"


def test_names_of_datasets_and_lists_of_names() -> None:
    for name in ("é", "=y", "~x", "my photos", "2024"):
        assert read_back(as_texts([f"dataset.name={name}"])[0]) == name
    listed = list_as_texts("datasets=[photos (root=a/b x=1),wood]", frozenset({"datasets"}))
    assert OverridesParser.create().parse_override(listed).value() == ["photos (root=a/b x=1)", "wood"]
    assert list_as_texts("columns=[f1]", frozenset({"datasets"})) == "columns=[f1]"


def test_other_options_and_quoted_values_are_left_alone() -> None:
    arguments = ["adn.lr=1e-3", "dataset.root='a b'", "dataset.root=null", "--help", "source="]
    assert as_texts(arguments) == arguments


def test_the_home_folder_means_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/of/mine")
    monkeypatch.setenv("LEANET_RUNS", "~/lr")
    expand_variables()
    assert os.environ["LEANET_RUNS"] == "/of/mine/lr"
    assert as_texts(["paths.runs=~/lr"]) == ["paths.runs='/of/mine/lr'"]
    assert expanded("out", "a/~") == "a/~"
    with pytest.raises(LeanetError, match=r"^out=~nobody-here/x: ~nobody-here has no home folder here; .* ./~nobody"):
        expanded("out", "~nobody-here/x")


def test_commands_take_odd_names_and_the_home_folder(tmp_path: Path) -> None:
    """A plan of two odd roots, whose runs go to an odd folder under the home folder."""
    for root in ("wörk=1 [a]", "it's"):
        for name in ("Negative", "Positive"):
            folder = tmp_path / root / name
            folder.mkdir(parents=True)
            for number in range(2):
                pixels = np.full((32, 32, 3), 40 * number + len(name) + len(root), np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    words = ["dataset=folder", "dataset.image_size=32", "folds=2", "caan=none", "dataset.root=wörk=1 [a],it's"]
    command = [sys.executable, "-m", "leanet.train", "-m", "hydra.sweeper.dry_run=true", *words]
    env = os.environ | {"HOME": str(tmp_path), "LEANET_RUNS": "~/my runs"}
    found = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert "wörk_1_a_" in found.stdout and "it_s" in found.stdout and "runs: 4, of which 0 done" in found.stdout
    assert not (tmp_path / "~").exists()
