"""python -m leanet.prepare: make one of the paper's datasets from its published archive."""

import os
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tabulate import tabulate

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.conf_files import CONF
from leanet.config.path_options import expanded
from leanet.config.rules import BOOLEAN, PATH, POSITIVE, whole
from leanet.config.settings import Node
from leanet.errors import LeanetError
from leanet.progress import progress
from leanet.published.archive_files import Budget
from leanet.published.archives import Reader, WantedFile
from leanet.published.download import Download
from leanet.published.manifest import FOLDERS, check_dataset, write_dataset
from leanet.published.sources import Drawn, Origin, choice_of, draw
from leanet.storage.locks import lock


@dataclass(frozen=True)
class DataPaths:
    """The folder of datasets."""

    data: Annotated[str, PATH]


@dataclass(frozen=True)
class PrepareSettings:
    """All settings of conf/prepare.yaml except the dataset."""

    source: Annotated[str | None, PATH]
    download: Annotated[bool, BOOLEAN]
    labels: Annotated[str | None, PATH]
    draw_seed: Annotated[int, whole(0)]
    max_gb: Annotated[float, POSITIVE]
    max_members: Annotated[int, whole(1)]
    paths: DataPaths


@dataclass(frozen=True)
class Plan:
    """The dataset to make.

    Args:
        name: of the dataset.
        folder: of the dataset.
        origin: its source and the paper's numbers of images.
        settings: how to make it.
    """

    name: str
    folder: Path
    origin: Origin
    settings: PrepareSettings

    @property
    def facts(self) -> dict[str, Any]:
        """The facts about the images that are kept beside them."""
        origin = self.origin
        about = {"licence": origin.licence, "citation": origin.citation, "page": origin.page}
        return {"dataset": self.name, "draw_seed": self.settings.draw_seed, **about}

    @property
    def how(self) -> str:
        """How to get the images, for messages."""
        fetch = " or download=true" if self.origin.download else ""
        return f"source=DIR_OR_ARCHIVE{fetch}; get {self.origin.get} from {self.origin.page}"


def prepare(config: dict[str, Any]) -> None:
    """Make a dataset, or check an existing one, and print its contents.

    Args:
        config: resolved configuration of conf/prepare.yaml.

    Raises:
        LeanetError: settings that do not fit, images that are not found, or a dataset that was changed.
    """
    plan = plan_of(config)
    made_before = _is_there(plan.folder)
    if not made_before:
        _check_source(plan)
        workplace = plan.folder.parent / ".prepare" / plan.folder.name
        with lock(workplace, lambda: print(f"{plan.name}: waiting for the process that is making it")):
            if not _is_there(plan.folder):
                _make(plan, workplace)
    counts = check_dataset(plan.folder, plan.facts)
    if made_before:
        print(f"{plan.name}: made before, and unchanged since")
    _report(plan, counts)


def plan_of(config: dict[str, Any]) -> Plan:
    """Check a resolved configuration of conf/prepare.yaml; LeanetError names the first value that does not fit."""
    config = dict(config)
    dataset = config.pop("dataset", None)
    if not isinstance(dataset, dict) or "origin" not in dataset:
        given = f"dataset={dataset['name'] or 'folder'}: not one of" if dataset else "give dataset=NAME, one of"
        raise LeanetError(f"{given} the paper's: {', '.join(_names())}")
    settings: PrepareSettings = read_settings(PrepareSettings, config)
    if not isinstance(dataset["root"], str) or not dataset["root"]:
        raise LeanetError("dataset.root: must name the folder that is to be made")
    origin: Origin = read_settings(Origin, dataset["origin"], "dataset.origin.")
    return Plan(dataset["name"], Path(expanded("dataset.root", dataset["root"])), origin, settings)


def _names() -> list[str]:
    files = (CONF / "dataset").glob("*.yaml")
    return sorted(file.stem for file in files if "\norigin:" in file.read_text(encoding="utf-8"))


def _is_there(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _make(plan: Plan, workplace: Path) -> None:
    """Find, draw and write the images, in a temporary folder beside the dataset's.

    Its name is never used again, so that a process that lost the lock removes nothing of the next holder.
    """
    source = Path(plan.settings.source) if plan.settings.source else _fetched(plan)
    for left_over in workplace.glob("making-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix="making-", dir=workplace))
    staging, spool = making / "staging", making / "spool"
    try:
        staging.mkdir()
        spool.mkdir()
        drawn = draw(_find(plan, source, spool), plan.origin.counts, plan.settings.draw_seed)
        _warn(plan, drawn)
        images = {label: part.images for label, part in drawn.items()}
        write_dataset(plan.folder, staging, images, {**plan.facts, "source": source.resolve().name})
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _check_source(plan: Plan) -> None:
    """Raise LeanetError unless there is a source, or an address to download it from."""
    given, download = plan.settings.source, plan.settings.download
    if given and download:
        raise LeanetError("give source=DIR_OR_ARCHIVE or download=true, not both")
    if given and not Path(given).exists():
        raise LeanetError(f"source={given}: no such file or folder; relative paths start at {Path.cwd()}")
    if download and not plan.origin.download:
        raise LeanetError(f"download=true: {plan.name} has no address to fetch it from; give {plan.how}")
    if not given and not download:
        raise LeanetError(f"dataset={plan.name} needs {plan.how}")


def _fetched(plan: Plan) -> Path:
    """The origin's archive, downloaded if needed."""
    file: Node = plan.origin.download or {}
    target = Path(plan.settings.paths.data) / "downloads" / Path(file["name"]).name
    advice = f"get {plan.origin.get} from {plan.origin.page} and give source=FILE"
    most = plan.settings.max_gb * 1e9
    print(f"{plan.name}: fetching {target}")
    Download(file["url"], file.get("bytes"), file.get("sha256"), most, advice).fetch(
        target, lambda: print(f"{plan.name}: waiting for the process that is downloading it")
    )
    return target


def _find(plan: Plan, source: Path, spool: Path) -> list[WantedFile]:
    """The source's images of both classes."""
    settings = plan.settings
    choice = choice_of(plan.origin, settings.labels)
    with progress(label=f"read {source.name}", total=None, unit="image", leave=False, delay=0.5) as bar:
        reader = Reader(choice, spool, Budget(settings.max_gb, settings.max_members), bar.update)
        found = reader.read(source)
    if reader.empty:
        print(f"{plan.name}: {len(reader.empty)} empty files left out, {min(reader.empty)} the first of them")
    for label, patterns in zip(FOLDERS, (plan.origin.negative, plan.origin.positive), strict=True):
        if all(image.label != label for image in found):
            raise LeanetError(f"{source}: {_nothing(reader, FOLDERS[label].lower(), patterns, settings.labels)}")
    return found


def _nothing(reader: Reader, name: str, patterns: list[str], labels: str | None) -> str:
    """The message for a source without images of a class."""
    if reader.not_read:
        return f"holds {min(reader.not_read)}, which leanet does not read; unpack it yourself and give the folder"
    wanted = f"labels={labels} names none that is there" if labels else f"looked for {' or '.join(patterns)}"
    folders = sorted(reader.folders)
    there = ", ".join(folders[:5]) + (", ..." if len(folders) > 5 else "") or "none"
    return f"no {name} image in it; {wanted}; other folders in it: {there}"


def _warn(plan: Plan, drawn: dict[int, Drawn]) -> None:
    """Print in what the draw differs from the paper's numbers."""
    for label, part in drawn.items():
        name, wanted = f"WARNING: {plan.name} {FOLDERS[label]}", plan.origin.counts[label]
        if part.found < wanted:
            print(f"{name}: only {part.found} images found of the paper's {wanted}; all are used")
        if part.copies:
            print(f"{name}: {part.copies} of {len(part.images)} are copies of others, for lack of different images")
        if part.contradictory:
            print(f"{name}: {part.contradictory} of {len(part.images)} are in the other class too")


def _report(plan: Plan, counts: dict[int, int]) -> None:
    rows = [(FOLDERS[label], counts[label], plan.origin.counts[label]) for label in FOLDERS]
    print(f"\n{plan.name} is in {plan.folder}\n\n{tabulate(rows, ['class', 'images', 'paper'])}\n")
    print(f"licence  {plan.origin.licence}\ncite     {plan.origin.citation}\npage     {plan.origin.page}\n")
    print(f"next     python -m leanet.train dataset={plan.name}{_where(plan)}")


def _where(plan: Plan) -> str:
    """The arguments with which the train command finds the folder."""
    data = plan.settings.paths.data
    if plan.folder != Path(data) / plan.name:
        return f" {shlex.quote(f'dataset.root={plan.folder}')}"
    return "" if data == os.environ.get("LEANET_DATA", "data") else f" {shlex.quote(f'paths.data={data}')}"


def main() -> None:
    run_command(prepare, "prepare", PrepareSettings)


if __name__ == "__main__":
    main()
