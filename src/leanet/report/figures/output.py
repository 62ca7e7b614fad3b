"""Figures as bytes and text: PDF and PNG for paper, SVG for pages."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from leanet.report.figures.style import in_our_style


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, for any thread; to be filled `in_our_style`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def to_svg(figure: Figure) -> str:
    """The figure as an <svg> element for an HTML page, in which text stays text; the same each time."""
    out = io.StringIO()
    with in_our_style():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def to_bytes(figure: Figure, ending: str) -> bytes:
    """The figure as a "pdf", or as a "png" of 300 dots an inch."""
    out = io.BytesIO()
    with in_our_style():
        figure.savefig(out, format=ending, dpi=300, metadata={"CreationDate": None} if ending == "pdf" else None)
    return out.getvalue()
