"""What the paper's datasets are made of: which files of a published archive are which class, and the draw."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from leanet.config.rules import TEXT, Rule, whole
from leanet.config.settings import Node
from leanet.data.files import image_suffixes, is_image
from leanet.data.images import NEGATIVE, POSITIVE
from leanet.errors import LeanetError, MissingDatasetError
from leanet.published.archives import Choice, WantedFile

PATTERNS = Rule(lambda v: isinstance(v, list) and all(isinstance(p, str) and p for p in v), "a list of patterns")
DOWNLOAD = Rule(
    lambda v: isinstance(v, dict) and isinstance(v.get("url"), str) and isinstance(v.get("name"), str),
    "a group with url and name, and bytes and sha256 where they are known",
)
_WORDS = {
    **dict.fromkeys(("0", "negative", "normal", "no", "non-referable", "non_referable"), NEGATIVE),
    **dict.fromkeys(("1", "positive", "anomalous", "yes", "referable"), POSITIVE),
}


@dataclass(frozen=True)
class Origin:
    """Where a dataset of the paper comes from, and how many images of each class the paper has.

    A pattern is matched, whatever the case, with the end of a file's path, folder by folder: `cloud/*` is every file
    that lies directly in a folder named cloud, wherever that is. `negative` goes before `positive`, and `exclude`,
    which holds for archives within the source too, before both.
    """

    negatives: Annotated[int, whole(1)]
    positives: Annotated[int, whole(1)]
    licence: Annotated[str, TEXT]
    citation: Annotated[str, TEXT]
    page: Annotated[str, TEXT]
    get: Annotated[str, TEXT]
    negative: Annotated[list[str], PATTERNS]
    positive: Annotated[list[str], PATTERNS]
    exclude: Annotated[list[str], PATTERNS]
    download: Annotated[Node | None, DOWNLOAD]

    @property
    def counts(self) -> dict[int, int]:
        return {NEGATIVE: self.negatives, POSITIVE: self.positives}

    def label(self, path: str) -> int | None:
        """The class of the image at `path`; None for a file that is no image or not wanted."""
        if not is_image(PurePosixPath(path).name) or self.excluded(path):
            return None
        if _fits(path, self.negative):
            return NEGATIVE
        return POSITIVE if _fits(path, self.positive) else None

    def excluded(self, path: str) -> bool:
        return _fits(path, self.exclude)


@dataclass(frozen=True)
class Labels:
    """Classes from a table in place of an origin's patterns."""

    origin: Origin
    labels: dict[str, int]  # by name or path without suffix, in lower case

    @classmethod
    def read(cls, file: Path, origin: Origin) -> "Labels":
        """From CSV or TSV with the columns image (a name or the end of a path) and label.

        Raises:
            LeanetError: no such file, a column missing, an unknown label, or two labels for one image.
        """
        labels: dict[str, int] = {}
        for line, image, word in _rows(file):
            label, key = _WORDS.get(word.strip().lower()), _key(image.strip())
            if label is None:
                raise LeanetError(f"{file}, line {line}: label={word}: must be 0 (negative) or 1 (positive)")
            if labels.setdefault(key, label) != label:
                raise LeanetError(f"{file}, line {line}: {image} has both labels; leave one")
        return cls(origin, labels)

    def label(self, path: str) -> int | None:
        if not is_image(PurePosixPath(path).name) or self.excluded(path):
            return None
        parts = _key(path).split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.labels[end] for end in ends if end in self.labels), None)

    def excluded(self, path: str) -> bool:
        return self.origin.excluded(path)


def check_made(dataset: Node) -> None:
    """Raise MissingDatasetError if the dataset is one of the paper's whose folder is still to be made."""
    root = dataset.get("root")
    if "origin" in dataset and root and not _has_anything(Path(root)):
        made_by = f"python -m leanet.prepare dataset={dataset['name']} source=DIR_OR_ARCHIVE"
        what = "an empty folder" if Path(root).exists() else "no such folder"
        raise MissingDatasetError(f"dataset.root={root}: {what}; make it with: {made_by}")


def _has_anything(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def choice_of(origin: Origin, labels: str | None) -> Choice:
    return Labels.read(Path(labels), origin) if labels else origin


@dataclass(frozen=True)
class Drawn:
    """The draw of one class. `copies` and `contradictory` count images taken for want of better ones."""

    images: tuple[WantedFile, ...]
    found: int
    copies: int
    contradictory: int


def draw(found: Sequence[WantedFile], counts: dict[int, int], seed: int) -> dict[int, Drawn]:
    """`counts` images of each class, the same on every machine and for every order and naming of the files.

    Images are ranked by a hash of seed and content. Contents that stand in the other class as well come after all
    others, and further copies of a content come last. Fewer are drawn where there are fewer.
    """
    classes: dict[str, set[int]] = defaultdict(set)
    for image in found:
        classes[image.sha256].add(image.label)
    drawn = {}
    for label, count in counts.items():
        nth: Counter[str] = Counter()
        ranked = []
        for image in sorted((image for image in found if image.label == label), key=lambda image: image.source):
            both = len(classes[image.sha256]) > 1
            ranked.append((nth[image.sha256], both, _rank(seed, image.sha256), image))
            nth[image.sha256] += 1
        taken = sorted(ranked, key=lambda entry: entry[:3])[:count]
        copies, contradictory = sum(entry[0] > 0 for entry in taken), sum(entry[1] for entry in taken)
        drawn[label] = Drawn(tuple(entry[3] for entry in taken), len(ranked), copies, contradictory)
    return drawn


def _rank(seed: int, sha256: str) -> str:
    return hashlib.sha256(f"{seed}:{sha256}".encode()).hexdigest()


def _fits(path: str, patterns: list[str]) -> bool:
    """Whether one of the patterns matches the end of the path."""
    parts = path.lower().split("/")
    for pattern in patterns:
        globs = pattern.lower().split("/")
        ends = parts[-len(globs) :]
        if len(ends) == len(globs) and all(fnmatchcase(*pair) for pair in zip(ends, globs, strict=True)):
            return True
    return False


def _key(path: str) -> str:
    """A path to compare: in lower case, with slashes, without an image's suffix."""
    path = path.replace("\\", "/").lower().strip("/")
    suffix = PurePosixPath(path).suffix
    return path.removesuffix(suffix) if suffix in image_suffixes() else path


def _rows(file: Path) -> list[tuple[int, str, str]]:
    """(line, image, label) of every row of a CSV or TSV file."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LeanetError(f"labels={file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise LeanetError(f"labels={file}: not text in UTF-8 ({error})") from error
    head = text.partition("\n")[0]
    reader: Any = csv.DictReader(text.splitlines(), delimiter=max(",;\t", key=head.count))
    names = {name.strip().lower(): name for name in reader.fieldnames or () if name}
    if not {"image", "label"} <= set(names):
        raise LeanetError(f"labels={file}: must have the columns image and label; it has {', '.join(names) or 'none'}")
    return [(reader.line_num, row[names["image"]] or "", row[names["label"]] or "") for row in reader]
