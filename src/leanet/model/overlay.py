"""Draw anomaly maps, attention maps and evidence maps over the photographs."""

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap, Normalize
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from leanet.data.decode import UnreadableError, decoded, shown
from leanet.data.resize import STRETCH, seen_part
from leanet.model.load import Look
from leanet.pictures.picture_page import FAINT, Page, Scale, attention_scale, evidence_scale, printable
from leanet.storage.files import write_atomically

FOLDER = "overlays"
_DPI, _SIDE, _LARGE = 100, 4.0, 8.0  # inches of the longer side of a photograph; large if it was cut into tiles
_GAP, _MARGIN, _TOP, _BOTTOM = 0.2, 0.2, 0.62, 0.62
_LEAST = 2.0  # smallest upper end of the colour scale, in ΔE00, so that invisible differences do not look large
# Opacity of the largest value; lower for attention and evidence, whose positions are large.
_MAP, _ATTENTION, _EVIDENCE = 0.85, 0.6, 0.7

_LONGEST = 251  # bytes of a name, which leave space for `.jpg`
# Errors that concern only one file's name, so that other files can still be written.
_OF_ONE_NAME = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)


@dataclass(frozen=True)
class _Layer:
    title: str
    values: NDArray[np.float32]  # (h, w)
    scale: Scale


def draw_overlays(
    root: Path,
    names: Sequence[str],
    look: Look,
    threshold: float,
    folder: Path,
    fit: str = STRETCH,
    is_large: bool = False,
) -> None:
    """Write an overlay for each image: the photograph, and the model's maps drawn over it in grey.

    Parts of the photograph that `fit=crop` cuts off are pale.

    Files that cannot be read or written are reported and skipped.

    Args:
        root: the folder of the images.
        names: B files relative to `root`.
        look: the model's outputs for them, with details.
        threshold: of the model's decision.
        folder: overlays are written to `folder`/overlays/NAME.jpg.
        fit: how photographs became the square of the maps, as for `leanet.data.resize.resized`.
        is_large: whether overlays are twice as large, for small anomalies.
    """
    for place, name in enumerate(names):
        probability, layers = float(look.probabilities[place]), _layers(look, place)
        try:
            side = _LARGE if is_large else _SIDE
            page = _page(_small(root / name, side), name, probability, threshold, layers, fit, side)
            target = folder / FOLDER / picture_name(name)
            write_atomically(target, lambda out: page.figure.savefig(out, format="jpeg", pil_kwargs={"quality": 90}))  # noqa: B023
        except (UnreadableError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _OF_ONE_NAME:  # such as a full disk
                raise
            tqdm.write(f"no overlay of {shown(name)}: {shown(str(error))}")


def picture_name(name: str) -> str:
    """The name of an overlay: `name` and `.jpg`. A file name that is too long is cut and ends in a hash."""
    *folders, last = name.split("/")
    if len(os.fsencode(last)) > _LONGEST:
        last = f"{last[:50]}-{hashlib.sha256(os.fsencode(last)).hexdigest()[:12]}"
    return "/".join([*folders, f"{last}.jpg"])


def _small(path: Path, side: float) -> Image.Image:
    """Read a photograph at the size at which it is drawn."""
    with decoded(path) as photograph:
        photograph.thumbnail((round(side * _DPI),) * 2)
        return photograph


def sweep(folder: Path) -> None:
    """Remove temporary files of a killed process from `folder`/overlays."""
    for leftover in (folder / FOLDER).rglob(".*.part"):
        leftover.unlink(missing_ok=True)


def _layers(look: Look, place: int) -> list[_Layer]:
    layers = []
    if look.maps is not None:
        values = look.maps[place]
        most = max(float(np.percentile(values, 99.8)), _LEAST)  # so that a few outliers do not fade all other pixels
        layers.append(_Layer("anomaly map", values, Scale(_veil("inferno", _MAP), Normalize(0, most), "max", "ΔE00")))
    if look.attention is not None:
        values = look.attention[place]
        layers.append(_Layer("attention", values, _veiled(attention_scale([values]), _ATTENTION)))
    if look.evidence is not None:
        values = look.evidence[place]
        layers.append(_Layer("evidence", values, _veiled(evidence_scale([values]), _EVIDENCE)))
    return layers


def _page(
    photograph: Image.Image,
    name: str,
    probability: float,
    threshold: float,
    layers: Sequence[_Layer],
    fit: str,
    side: float,
) -> Page:
    width, height = (side * length / max(photograph.size) for length in photograph.size)
    column, seen = max(width, 1.6), seen_part(width, height, fit)
    page = Page(2 * _MARGIN + (1 + len(layers)) * (column + _GAP) - _GAP, _TOP + height + _BOTTOM, _DPI)
    called = "anomalous" if probability > threshold else "normal"
    verdict = f"{called}   P(anomalous) {probability:.3f}, threshold {threshold:.3g}"
    page.text(_MARGIN, 0.26, printable(name, int(page.width * 10)), size=10, color=FAINT, va="baseline")
    page.text(_MARGIN, 0.48, verdict, size=11, weight="bold", va="baseline")
    pixels = np.asarray(photograph).transpose(2, 0, 1)
    page.picture(pixels, _MARGIN, _TOP, width, height, None)
    grey = np.repeat(_grey(photograph, fit)[None], 3, axis=0)
    for number, layer in enumerate(layers, start=1):
        left = _MARGIN + number * (column + _GAP)
        page.picture(grey, left, _TOP, width, height, None)
        box = (left + seen[0], _TOP + seen[1], seen[2] - seen[0], seen[3] - seen[1])
        page.picture(layer.values, *box, layer.scale, within=(left, _TOP, width, height))
        page.text(left, _TOP + height + 0.18, layer.title, size=9, va="baseline")
        page.text(left + width, _TOP + height + 0.18, layer.scale.unit, size=9, color=FAINT, ha="right", va="baseline")
        page.colorbar(layer.scale, left, _TOP + height + 0.25, width, 0.1, size=8)
    return page


def _grey(photograph: Image.Image, fit: str) -> NDArray[np.uint8]:
    """The photograph (H, W) in grey, pale where the networks do not see it."""
    grey = np.asarray(photograph.convert("L"))
    left, top, right, bottom = (max(0, round(edge)) for edge in seen_part(*photograph.size, fit))
    pale = 255 - (255 - grey) // 3
    pale[top:bottom, left:right] = grey[top:bottom, left:right]
    return pale


def _veiled(scale: Scale, strongest: float) -> Scale:
    """The scale with a transparent colormap; a diverging one is transparent in the middle, at 0."""
    from_middle = (scale.norm.vmin or 0) < 0
    return replace(scale, colormap=_veil(str(scale.colormap), strongest, from_middle))


@cache
def _veil(name: str, strongest: float, from_middle: bool = False) -> ListedColormap:
    """A colormap of matplotlib with opacity that rises to `strongest`; low values let the photograph show through."""
    places = np.linspace(0, 1, 256)
    colors = matplotlib.colormaps[name](places)
    colors[:, 3] = strongest * (np.abs(2 * places - 1) if from_middle else places) ** 0.7
    return ListedColormap(colors, name=f"veil of {name}")
