"""Putting the page together: one HTML file that needs nothing but itself."""

import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from leanet.errors import LeanetError
from leanet.report import layout
from leanet.report.cell import FinishedCell
from leanet.report.figures.draw import figures_of
from leanet.report.figures.output import to_svg
from leanet.report.figures.pictures import Gallery
from leanet.report.figures.selection import Chosen
from leanet.report.page.album import add_pictures
from leanet.report.page.facts import PageFacts, page_facts
from leanet.report.page.sprites import data_uri
from leanet.report.page.tables import paper_tables
from leanet.storage.files import write_text

_FIGURES: dict[int | str, str] = {
    "points": "F1 over the five attention points",
    4: "Figure 4: F1 over the share of positives among the training images",
    3: "Figure 3: original, recoloured image and anomaly map",
    6: "Figure 6: original, recoloured image and anomaly map",
    5: "Figure 5: features before and after the attention",
}
_CHARTS = ("points", 4)  # drawn as vectors


def write_page(chosen: Chosen) -> Path:
    """Write report/index.html under paths.runs about the chosen cells, and return its path.

    Pictures need the datasets' images, and where they are gone the page says so and shows the rest.
    """
    cells = chosen.cells
    facts = page_facts(cells)
    add_pictures(facts, Gallery(chosen.home, chosen.data, chosen.trust))
    parts = {
        "css": _packaged("page.css"),
        "js": _packaged("page.js") + _packaged("gallery.js"),
        "summary": escape(_summary(cells)),
        "notes": "".join(f'<p class="note">{escape(note)}</p>' for note in layout.notes(["lift", "collapsed"], cells)),
        "tables": "".join(paper_tables(cells)),
        "figures": _figures(chosen),
        "sprites": _sprites(facts),
        "data": _in_script(facts),
    }
    nav = {"cells": "Cells", "paper": "The paper's tables", "figures": "Figures", "gallery": "Test images"}
    shown = {name: title for name, title in nav.items() if parts.get({"paper": "tables"}.get(name, name), "-")}
    parts["nav"] = "".join(f'<a href="#{name}">{title}</a>' for name, title in shown.items())
    file = chosen.home / "report" / "index.html"
    write_text(file, _filled(_packaged("page.html"), parts))
    return file


def _packaged(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _filled(template: str, parts: dict[str, str]) -> str:
    """The template with each {{name}} replaced; what is put in is not looked at again."""
    pieces = template.split("{{")
    filled = [pieces[0]]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}}")
        filled += [parts[name], rest]
    return "".join(filled)


def _sprites(facts: PageFacts) -> str:
    """Each sprite's address in an element of its own; the data keep what else is to be known of it."""
    uris = [made.pop("uri") for made in facts.data["sprites"]]
    return "\n".join(f'<script type="text/plain" id="sprite-{place}">{uri}</script>' for place, uri in enumerate(uris))


def _in_script(facts: PageFacts) -> str:
    """JSON that cannot end the <script> it stands in, whatever files and datasets are called."""
    text = json.dumps(facts.data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _summary(cells: Sequence[FinishedCell]) -> str:
    runs = sum(len(cell.results) for cell in cells)
    datasets = sorted({cell.dataset for cell in cells})
    return f"{_number(runs, 'finished run')} in {_number(len(cells), 'cell')} on {', '.join(datasets)}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _figures(chosen: Chosen) -> str:
    drawn = "".join(_drawn(chosen, figure, caption) for figure, caption in _FIGURES.items())
    if not drawn:
        return ""
    return (
        '<section id="figures" aria-labelledby="figures-title"><h2 id="figures-title">Figures</h2>'
        f'<div class="figures">{drawn}</div></section>'
    )


def _drawn(chosen: Chosen, figure: int | str, caption: str) -> str:
    """A figure's pictures, or why there are none; nothing where there are no runs for it."""
    found = []
    try:
        for name, drawing in figures_of(chosen, figure):
            if figure in _CHARTS:
                picture = to_svg(drawing)
            else:
                picture = f'<img src="{_webp(drawing)}" alt="{escape(f"{caption} ({name})")}">'
            found.append(f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>")
    except LeanetError as error:
        found.append(f'<p class="note">{escape(f"{caption}: {error}")}</p>')
    return "".join(found)


def _webp(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130)
    with Image.open(out) as picture:
        return data_uri(picture.convert("RGB"), quality=82)
