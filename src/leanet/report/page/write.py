"""Write the page: one HTML file without external resources."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Template
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from leanet.errors import LeanetError
from leanet.report.cells import cells_of, in_words, tables_of
from leanet.report.figure_texts import notes
from leanet.report.figures.draw import figures_of
from leanet.report.figures.pictures import Gallery
from leanet.report.figures.style import darkened, to_svg
from leanet.report.page.album import add_pictures
from leanet.report.page.data import Data, page_data
from leanet.report.page.sprites import data_uri
from leanet.report.paper import TABLES, paper_table
from leanet.report.paper_layout import PaperLayout, belonging
from leanet.report.selection import Selection
from leanet.storage.files import write_text

if TYPE_CHECKING:
    from pandas import DataFrame

_FIGURES: dict[int | str, str] = {
    "points": "F1 over the five attention points",
    4: "Figure 4: F1 over the share of positives among the training images",
    3: "Figure 3: original, recoloured image and anomaly map",
    6: "Figure 6: original, recoloured image and anomaly map",
    5: "Figure 5: features before and after the attention",
}
_CHARTS = ("points", 4)  # vector graphics
_DPI, _SHOWN = 200, 110  # pixels of an inch: of pictures, and of the page before a click enlarges them
_SCRIPTS = ("page.js", "large.js", "plots.js", "details.js", "gallery.js")


def write_page(selection: Selection) -> Path:
    """Write the page to paths.runs/report/index.html.

    Pictures need the datasets' images. If they are gone, the page says so and shows the rest.

    Args:
        selection: the finished folds.

    Returns:
        the file.
    """
    folds = selection.folds
    page = page_data(folds)
    add_pictures(page, Gallery.of_selection(selection))
    sprites = [made.pop("uri") for made in page.data["sprites"]]  # each has its own element in the page
    html = Template(_packaged("page.html"), autoescape=True, keep_trailing_newline=True).render(
        css=_packaged("page.css"),
        js="".join(map(_packaged, _SCRIPTS)),
        summary=_summary(folds),
        notes=notes(["lift", "collapsed"], folds),
        tables=list(_paper_tables(folds)),
        figures=[drawn for figure in _FIGURES for drawn in _drawn(selection, figure)],
        sprites=sprites,
        data=_in_script(page.data),
    )
    file = selection.home / "report" / "index.html"
    write_text(file, html)
    return file


def _packaged(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _in_script(data: Data) -> str:
    """JSON for a <script> element, with <, > and & escaped, so that no name can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _summary(folds: DataFrame) -> str:
    runs, cells = _number(len(folds), "finished run"), _number(len(cells_of(folds)), "cell")
    return f"{runs} in {cells} on {', '.join(sorted(set(folds['dataset'])))}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _paper_tables(folds: DataFrame) -> Iterator[Data]:
    """The paper's tables with finished runs, one for each set of shared settings."""
    for number in TABLES:
        paper = paper_table(number)
        for shared, members in tables_of(belonging(folds, paper)):
            columns = ["f1", "nested", "lift"] if members["validated"].notna().any() else ["f1", "lift"]
            header, rows = PaperLayout(paper, members).table(columns, _marked, only_filled=True)
            heading = {"name": f"Table {number}", "title": f"Table {number}: {in_words(shared)}"}
            yield {**heading, "header": header, "rows": rows, "notes": " ".join(notes(columns, members))}


def _marked(text: str, rank: int) -> str:
    return Markup("<strong>{}</strong>" if rank == 1 else "<em>{}</em>").format(text)


def _drawn(selection: Selection, figure: int | str) -> Iterator[Data]:
    """A figure as pictures, or as the reason why it cannot be drawn; nothing if no run has it."""
    title = _FIGURES[figure]
    try:
        for _, drawn, settings in figures_of(selection, figure):
            told = {"caption": f"{title}. {settings}", "width": round(drawn.get_figwidth() * _SHOWN)}
            if figure in _CHARTS:
                yield told | {"svg": to_svg(drawn)}
            else:
                yield told | {"uris": {"on-light": _webp(drawn), "on-dark": _webp(darkened(drawn))}}
    except LeanetError as error:
        yield {"caption": title, "error": str(error)}


def _webp(figure: Figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=_DPI)
    with Image.open(out) as picture:
        return data_uri(picture.convert("RGB"), quality=82)
