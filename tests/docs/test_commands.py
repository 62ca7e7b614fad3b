"""Every command and example of README and docs, page by page, as a reader would give them, but small.

What cannot be run here is named in `NOT_RUN`, or composed: then a renamed option fails the test all the same.
"""

import multiprocessing
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from leanet.data.synthetic import SyntheticLeaves

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
EXAMPLES = [file.read_text() for file in (ROOT / "examples").glob("*.py")]

NOT_RUN = {  # commands by how they begin
    "make ": "installs an environment; that the target is there is tested",
    "source .venv/": "only means something to the reader's shell",
    "pip install": "has no network",
    "wandb login": "needs an account",
    "wandb sync": "needs an account",
    "wandb sweep": "needs an account",
    "wandb agent": "needs an account",
    "python -m leanet.train --config-dir runs/searches": "needs the result of a search",
    "python -m leanet.fit --config-dir runs/searches": "as well",
    "python benchmarks/": "takes long",
    "python -m leanet.train -m dataset=potato": "needs all of potato, strawberry and hurricane",
}
COMPOSED = {  # commands by a word in them
    "download=true": "has no network",
    "source=archive.zip": "needs the publisher's archive",
    "against=resnet18": "needs the study's runs",
    "datasets=[potato]": "needs the page's runs",
    "datasets=[hurricane]": "as well",
    "against=resnet18-balanced": "as well",
    "trainer.devices=4": "needs four devices",
    "effort=quick": "README's training runs in its place",
    "map.layers=[3]": "tests/experiment/test_frozen_features.py trains such",
    "map.cross_fit=2": "tests/experiment/test_fold.py trains such",
    "trainer.select=val_loss": "as well",
    "trainer.averaging=ema": "as well",
    "trainer.balance=prior": "as well",
    "dataset=table": "tests/test_groups_and_kinds.py trains and reports such",
    "dataset.groups=folder": "as well",
    "dataset.groups=groups.csv": "as well",
    r"dataset.groups=plant(\d+)": "as well",
    "dataset.kinds=(Early|Late)": "as well",
    "table=kinds": "as well",
    "leanet.fit": "is run by tests/test_predict_page.py, with all of docs/predict.md",
    "leanet.predict": "as well",
    "run=photos-resnet18+mobilenet-point4": "as well",
    "run=photos-frozen": "as well",
}
SLOW = {
    "docs/attention.md",
    "docs/export.md",
    "docs/extending.md",
    "docs/grids.md",
    "docs/index.md",
    "docs/method.md",
    "docs/networks.md",
    "docs/python.md",
    "docs/search.md",
    "docs/wandb.md",
}  # quick tests of the commands themselves do the same
REAL_GRID = "-m dataset=strawberry,hurricane caan=none,direct"  # all others are planned

FEWER_CELLS = {"dataset": "strawberry", "split_seed": "0", "positive_rate": "1"}  # of the grids that are planned
SMALL = {
    "dataset.image_size": "32",
    "folds": "2",
    "fold": "1",
    "trainer.max_epochs": "1",
    "trainer.checkpoint_seconds": "1000",
    "colorizer.max_epochs": "1",
}

# A server that has imported everything forks each command in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
GIVEN: set[tuple[str, ...]] = set()  # commands of the pages before
BEGIN = """
import os, runpy, sys
os.chdir({home!r})
for name in ("LEANET_DATA", "LEANET_RUNS"):
    os.environ.pop(name, None)
sys.path.insert(0, {home!r})
for stream in (1, 2):
    os.dup2(os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it shows where it has a title, and its text."""

    language: str
    file: str | None
    text: str

    @property
    def commands(self) -> list[str]:
        return [line for line in self.text.replace("\\\n", "").splitlines() if shlex.split(line, comments=True)]


def blocks(page: Path) -> list[Block]:
    found = re.findall(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', page.read_text(), re.DOTALL | re.MULTILINE)
    return [Block(language, file or None, text) for language, file, text in found]


def run(code: str, home: Path) -> str:
    """What the Python code prints, in a process of its own in the folder `home`."""
    log = home / "log.txt"
    log.unlink(missing_ok=True)
    process = PROCESSES.Process(target=exec, args=(BEGIN.format(home=str(home), log=str(log)) + code,))
    process.start()
    process.join()
    printed = log.read_text()
    assert process.exitcode == 0, f"{code}\n{printed}"
    return printed


def run_python(words: list[str], home: Path) -> str:
    """What `python WORDS` prints: a module or a script."""
    module = words[0] == "-m"
    name, arguments = (words[1], words[2:]) if module else (words[0], words[1:])
    call = (
        f"runpy.run_module({name!r}, run_name='__main__')"
        if module
        else f"runpy.run_path({name!r}, run_name='__main__')"
    )
    return run(f"sys.argv = {[name, *arguments]!r}\n{call}", home)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader is: `photos`, small stand-ins for the datasets in `data`, and some finished runs."""
    home = tmp_path_factory.mktemp("docs")
    leaves = SyntheticLeaves(image_size=32, negatives=12, positives=6).load(home)
    for folder in ("photos", "data/strawberry", "data/hurricane"):
        for number, (pixels, label) in enumerate(zip(leaves.images, leaves.labels, strict=True)):
            file = home / folder / ("Positive" if label else "Negative") / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.moveaxis(pixels, 0, -1)).save(file)
    for words in ("caan=none", "caan=mobilenet point=1", "caan=mobilenet point=4"):
        given = ["dataset=strawberry", "adn=cnn", *words.split()]
        run_python(["-m", "leanet.train", *given, *(f"{name}={value}" for name, value in SMALL.items())], home)
    return home


def smaller(words: list[str], home: Path) -> list[str]:
    """A command of leanet's with what makes it quick, or plans it, or composes it."""
    module = words[1].removeprefix("leanet.")
    if is_composed(words):
        return [*words, "--cfg", "job"]
    if module == "export":
        (plain,) = home.glob("runs/detectors/strawberry-cnn-fold1-*")
        return [word.replace("RUN", plain.name) for word in words]
    if module == "ablate":
        runs = ",".join(folder.name for folder in home.glob("runs/detectors/strawberry-cnn*"))
        return [*(word for word in words if not word.startswith("runs=")), f"runs=[{runs}]"]
    if module == "report":
        return [*words, *fewer(words)]
    if module != "train":
        return words
    if is_planned(words):
        typed = {word.partition("=")[0] for word in words}
        some = [f"{name}={value}" for name, value in FEWER_CELLS.items() if name not in typed]
        return [*(word for word in words if "dry_run" not in word), *some, "hydra.sweeper.dry_run=true"]
    kept = [word for word in words if word.partition("=")[0] not in SMALL]
    kept = [re.sub("^point=.*", "point=1", word) for word in kept]
    kept = [re.sub("^dataset=strawberry,.*", "dataset=strawberry", word) for word in kept]
    if not any(word.startswith("adn=") for word in words):
        kept.append("adn=cnn")
    if "dataset=synthetic" in words or not any(word.startswith("dataset=") for word in words):
        kept += ["dataset.negatives=12", "dataset.positives=6"]
    if "logger=wandb" in words and "logger.offline=true" not in words:
        kept.append("logger.offline=true")
    return [*kept, *(f"{name}={value}" for name, value in SMALL.items())]


def fewer(words: list[str]) -> list[str]:
    """What keeps a report from drawing the runs of all the pages before."""
    if "wandb" in words:
        return ["push.offline=true"]
    models = ["models=[cnn,cnn+mobilenet@1]"] if {"page", "figure=mistakes"} & {*words} else []
    return [*models, *(["datasets=[strawberry]"] if "datasets" not in " ".join(words) else [])]


def is_composed(words: list[str]) -> bool:
    return any(word in words for word in COMPOSED) and not is_planned(words)


def is_planned(words: list[str]) -> bool:
    return "-m" in words[2:] and REAL_GRID not in " ".join(words)


def check(words: list[str], printed: str, home: Path) -> None:
    """That the command has done what it is for."""
    module = words[1].removeprefix("leanet.")
    if is_composed(words):
        assert "paths:" in printed
    elif module == "train" and is_planned(words):
        assert re.search(r"^(runs|trials): \d+, of which \d+ done", printed, re.MULTILINE), printed
    elif module == "train":
        assert "always positive" in printed
    elif module == "ablate":
        assert re.search(r"shuffled \d|done before", printed) and "no attention" in printed
    elif module == "info":
        assert "GMACs" in printed
    elif module == "clean":
        assert re.search(r"^(\| kind |would be removed: |removed: )", printed)
    elif module == "export":
        assert Path(home / re.findall(r"^written  (.*),", printed, re.MULTILINE)[0]).exists()
    elif "cite" in words:
        assert printed.count("@") > 1
    elif "wandb" not in words:
        written = re.findall(r"^written: (.*?)(?:\.\{(.*)\})?$", printed, re.MULTILINE)
        assert written, printed
        for file, endings in written:
            for ending in endings.split(","):
                assert (home / (f"{file}.{ending}" if ending else file)).stat().st_size > 100


def give(command: str, home: Path) -> None:
    if any(command.startswith(beginning) for beginning in NOT_RUN):
        return
    if "hydra/launcher=slurm" in command:  # whose plugin is not installed: its settings are there, at least
        return check_launcher(command, "slurm")
    words = shlex.split(command, comments=True)
    assert words[0] == "python", f"{command}: a command that no test knows"
    if words[1] != "-m":
        run_python(words[1:], home)
    elif (*words,) not in GIVEN:
        GIVEN.add((*words,))
        check(words[1:], run_python(smaller(words[1:], home), home), home)


def check_launcher(command: str, name: str) -> None:
    known = yaml.safe_load((ROOT / f"conf/hydra/launcher/{name}.yaml").read_text())
    given = re.findall(r"hydra\.launcher\.(\w+)=", command)
    assert given and set(given) <= {*known, "partition"}  # submitit's own


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NAMES if "predict" not in name],
)
def test_page(name: str, home: Path) -> None:
    for block in blocks(ROOT / name):
        if block.file:
            file = home / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "python" and not any(block.text in example for example in EXAMPLES):
            run(block.text, home)
        elif block.language == "sh":
            for command in block.commands:
                give(command, home)


def test_the_two_commands_come_first_and_targets_exist() -> None:
    readme = blocks(PAGES[0])[0].text
    assert re.findall(r"^make (\S+)", readme, re.MULTILINE) == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"^`?make ([a-z-]+)|`make ([a-z-]+)", page.read_text(), re.MULTILINE):
            assert f"\n{''.join(target)}:" in makefile


def test_the_readme_is_under_200_lines() -> None:
    assert len(PAGES[0].read_text().splitlines()) < 200


@pytest.mark.parametrize("words", [*NOT_RUN, *COMPOSED])
def test_nothing_is_excused_that_is_not_there(words: str) -> None:
    commands = [
        command for page in PAGES for block in blocks(page) if block.language == "sh" for command in block.commands
    ]
    assert any(words in command for command in commands)


def test_every_page_has_its_place_on_the_site() -> None:
    """mkdocs itself warns of links that lead nowhere, not of pages that nothing leads to."""
    nav = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES[1:]:
        assert nav.count(f": {page.relative_to(ROOT / 'docs')}\n") == 1
