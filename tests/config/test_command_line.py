"""Command lines as a person types them: mistakes are told in one line, and soon."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.version import __version__

CPU_SECONDS = 3.0  # importing torch alone takes more on top
AFTER_IMPORTS = 1.5
DATASETS = (
    "carpet, cloud, concrete, folder, grape, hazelnut, hurricane, leather, potato, retina, strawberry, synthetic, "
    "table, tile, wood"
)

# Command line → what the line must say. None of them needs an image to be decoded.
MISTAKES: dict[str, list[str]] = {
    "point=9": ["point=9: must be a whole number from 1 to 5"],
    "point=foo": ["point=foo: must be a whole number from 1 to 5"],
    "fold=7": ["fold=7: there are folds 1 to 5"],
    "dataset=typo": ["dataset=typo", DATASETS],
    "caan=4": ["caan=4: there is no such choice; choose from direct, mobilenet, none, resnet, timm"],
    "-m caan=none,4": ["caan=none,4: there is no such choice; choose from direct, mobilenet, none, resnet, timm"],
    "adn=vgg17": [
        "adn=vgg17: there is no such choice; choose from cnn, frozen, lab_statistics, map_score, "
        "resnet18, resnet50, timm, vgg16, vgg19"
    ],
    "map=folder": ["map=folder needs map.root=DIR"],
    "map=folder map.root=missing": ["map.root=missing: no such folder"],
    "map=folder map.root=empty": ["200 of 200 images have no map"],
    "positive_rate=2": ["positive_rate=2: must be a number above 0, up to 1"],
    "logger=false": ["logger=false: there is no such choice; choose from csv, tensorboard, wandb"],
    "pont=4": ["pont is no setting, did you mean point?"],
    "epochs=5": ["epochs is no setting, did you mean trainer.max_epochs or colorizer.max_epochs? --help lists all"],
    "-m lr=1,2": ["lr is no setting, did you mean adn.lr or colorizer.lr?"],
    "potato": ["potato: write name=value, as in dataset=potato;"],
    "--epochs=5": ["--epochs=5: no such flag; settings are written without dashes, name=value; --help lists both"],
    "point=1,2": ["point=1,2: give -m to run each of these values; a list is point=[1,2]"],
    "seed=1 -m point=1,9": ["point=9: must be a whole number from 1 to 5"],  # a flag between settings
    "-m hydra/sweeper=basic experiment=quick": [
        "hydra.sweeper.everywhere is no setting",
        "it is one of hydra/sweeper=grid",
    ],
    "dataset.root=x": ["dataset.root is no setting of the chosen dataset; it is one of dataset=folder and others"],
    "experiment=compare": ["experiment=compare is a grid of several cells: give -m as well"],
    "experiment=search": ["experiment=search is a search of several cells: give -m as well"],
    "adn=frozen adn.stages=[5,3]": ["adn.stages=[5, 3]: must be points of 1 to 5, from shallow to deep"],
    "adn=frozen adn.stages=[3] caan=direct": ["point=4: it is deeper than adn.stages=[3]"],
    "adn=frozen caan=direct attention=gain": ["adn=frozen: it is not trained, and so neither are"],
    "adn=frozen adn.freeze=3": ["adn.freeze is no setting of the chosen adn"],
    "+foo=1": ["foo is no setting"],
    "adn.lr=[": ["'['"],
    "dataset.image_size=100": ["dataset.image_size=100: must be a multiple of 32"],
    "dataset.positives=x": ["dataset.positives=x: choose a whole number"],
    "dataset.positives=3": ["3 positive images cannot be split into 5 folds; use folds=3 or fewer"],
    "dataset=potato": [
        "dataset.root=data/potato: no such folder; make it with: "
        "python -m leanet.prepare dataset=potato source=DIR_OR_ARCHIVE"
    ],
    "dataset=folder": ["dataset=folder needs dataset.root=DIR"],
    "dataset=folder dataset.root=missing": ["dataset.root=missing: no such folder"],
    "dataset=folder dataset.root=empty": ["no images in empty/Positive"],
    "dataset.folds_file=other.csv": ["other.csv: 200 images of the dataset not in it"],
}
MISTAKES |= {
    "prepare": ["give dataset=NAME, one of the paper's: carpet, cloud, concrete, grape, hazelnut, hurricane, leather"],
    "prepare dataset=typo": ["dataset=typo", DATASETS],
    "prepare dataset=potato": ["dataset=potato needs source=DIR_OR_ARCHIVE or download=true; get Plant_leaf_diseases"],
    "prepare dataset=potato source=empty": [
        "empty: no negative image in it; looked for potato_*healthy/*; other folders"
    ],
    "prepare dataset=potato sorce=x": ["sorce is no setting, did you mean source?"],
    "prepare --help --config-dir gone": ["--config-dir gone: no such folder"],
    "prepare dataset=potato point=4": ["point is no setting; see --help"],
    "prepare dataset=potato draw_seed=-1": ["draw_seed=-1: must be a whole number from 0"],
}
BROKEN = "dataset=folder dataset.root=broken folds=2 dataset.image_size=32"
FILES = {"empty", "broken", "other.csv"}


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    cpu: float


def pictures(root: Path, names: Iterable[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        path = root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)


def prepare(folder: Path) -> None:
    pictures(folder / "empty", ["Negative/a", "Negative/b"])
    (folder / "empty/Positive").mkdir()
    pictures(folder / "broken", [f"{name}/{number}" for name in ("Negative", "Positive") for number in range(4)])
    for name in ("Negative/1", "Positive/2"):
        path = folder / f"broken/{name}.png"
        path.write_bytes(path.read_bytes()[:1000])
    (folder / "other.csv").write_text("file,sha256,label,fold\na.png,00,0,1\n")


def environment(**more: str) -> dict[str, str]:
    left_out = {"HYDRA_FULL_ERROR", "LEANET_RUNS", "LEANET_DATA"}
    return {key: value for key, value in os.environ.items() if key not in left_out} | more


def words_of(line: str) -> list[str]:
    """The module and the arguments: of leanet.prepare if that comes first, else of leanet.train."""
    module = "leanet.prepare" if line.startswith("prepare") else "leanet.train"
    return [module, *line.removeprefix("prepare").split()]


def execute(folder: Path, line: str, **more: str) -> Done:
    """What becomes of `python -m` with the words of `line` in `folder`."""
    env, command = environment(COLUMNS="80", **more), [sys.executable, "-m", *words_of(line)]
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        out, err = process.stdout.read(), process.stderr.read()  # each far smaller than a pipe
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Done(process.returncode, out, err, usage.ru_utime + usage.ru_stime)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command") / "here"
    folder.mkdir()
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def usage(folder: Path) -> Done:
    return execute(folder, "--help")


# Imports the commands once, and forks a process for each; says how each ended and what it took.
EACH = """
import json, os, sys
import leanet.prepare, leanet.train
printed, ended = sys.argv[1], []
for number, words in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if child == 0:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{printed}/{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        sys.argv = words
        sys.modules[words[0]].main()
        sys.exit()
    _, status, usage = os.wait4(child, 0)
    ended.append([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime])
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def done(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What became of each line."""
    lines, printed = [*MISTAKES, "prepare --help", "prepare --version"], tmp_path_factory.mktemp("printed")
    command = [sys.executable, "-c", EACH, str(printed)]
    given = json.dumps([words_of(line) for line in lines])
    found = subprocess.run(command, cwd=folder, env=environment(), input=given, text=True, stdout=subprocess.PIPE)
    texts = [[(printed / f"{number}.{name}").read_text() for name in ("out", "err")] for number in range(len(lines))]
    ended = json.loads(found.stdout)
    return {line: Done(code, *text, cpu) for line, text, (code, cpu) in zip(lines, texts, ended, strict=True)}


def check_told(found: Done, parts: list[str]) -> None:
    assert found.code not in (0, None)
    assert found.out == ""
    assert found.err.startswith("leanet: ")
    assert found.err.count("\n") == 1
    for part in parts:
        assert part in found.err


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(done: dict[str, Done], line: str) -> None:
    check_told(done[line], MISTAKES[line])


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_soon(done: dict[str, Done], line: str) -> None:
    assert done[line].cpu < AFTER_IMPORTS


def test_the_imports_are_soon_done(usage: Done) -> None:
    assert usage.cpu < CPU_SECONDS


def test_a_mistake_leaves_nothing_behind(done: dict[str, Done], folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} - {"runs", "data"} == FILES
    assert not [path for path in folder.glob("data/**/*") if path.is_file()]
    assert {path.name for path in folder.glob("runs/*")} <= {"sweeps"}  # where Hydra notes what -m was asked for


def test_all_damaged_images_are_named_at_once(folder: Path) -> None:
    check_told(execute(folder, BROKEN), ["2 of 8 images cannot be read", "Negative/1.png", "Positive/2.png"])


def test_the_traceback_is_there_for_those_who_want_it(folder: Path) -> None:
    found = execute(folder, "point=9", HYDRA_FULL_ERROR="1")
    assert found.code != 0
    assert "Traceback (most recent call last)" in found.err
    assert found.err.endswith("point=9: must be a whole number from 1 to 5\n")


def test_help_lists_groups_and_values(usage: Done) -> None:
    """A group's choices with what they are, and settings with their values, in 80 columns and without colours."""
    assert (usage.code, usage.err) == (0, "")
    for text in (
        "\ncaan=mobilenet\n  direct            Direct attention",
        "\n  trainer.balance=none              for few positives; weights:",
        "\n  point=4 ",
    ):
        assert text in usage.out
    listed = usage.out.partition("dataset=synthetic\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (\w+)", listed, re.MULTILINE) == DATASETS.split(", ")
    written = usage.out.partition("Groups and")[2]  # what is above it is laid out in conf/
    assert max(map(len, written.splitlines())) <= 80 and "\x1b" not in usage.out


def test_help_of_prepare_lists_the_papers_datasets(done: dict[str, Done]) -> None:
    found = done["prepare --help"]
    assert (found.code, found.err) == (0, "")
    names = set(DATASETS.split(", ")) - {"folder", "synthetic", "table"}
    assert names <= set(re.findall(r"[a-z]+", found.out))
    for text in ("source=null", "draw_seed=0", "download=true"):
        assert text in found.out


def test_the_version_is_leanets(done: dict[str, Done]) -> None:
    assert (done["prepare --version"].out, done["prepare --version"].code) == (f"leanet {__version__}\n", 0)


def test_a_command_of_pip_finds_modules_in_the_current_folder(tmp_path: Path) -> None:
    """They and their folder of configurations are here, and the script is elsewhere, as .venv/bin/leanet-train is."""
    script, here = tmp_path / "bin" / "leanet-train", tmp_path / "here"
    for file, text in (
        (script, "from leanet.train import main; main()"),
        (here / "mine/dataset/own.yaml", "defaults: [synthetic]\n_target_: own.Leaves\nname: own\n"),
        (here / "mine/adn/gone.yaml", "_target_: gone.network\nname: gone\nlr: 1\n"),
        (here / "own.py", "from leanet.data.synthetic import SyntheticLeaves as Leaves\n"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    words = ["--config-dir", "mine", "-m", "dataset=own", "hydra.sweeper.dry_run=true"]
    planned = subprocess.run([sys.executable, script, *words], cwd=here, capture_output=True, text=True)
    assert "| own       | resnet18+mobilenet@4 |" in planned.stdout, planned.stderr
    wrong = subprocess.run([sys.executable, script, *words, "adn=gone"], cwd=here, capture_output=True, text=True)
    assert wrong.stderr.startswith("leanet: adn._target_=gone.network: there is no module gone; put gone.py into")
