"""The reliability diagram: of images with one probability of being anomalous, the share that is."""

from pathlib import Path

from matplotlib.axes import Axes

from leanet.model.calibration import BINS, Values, reliability
from leanet.model.decision import Decision
from leanet.pictures.picture_page import FAINT, INK
from leanet.report.figures.style import in_our_style, new_figure, to_bytes
from leanet.storage.files import write_bytes

_BEFORE, _AFTER = "#d55e00", "#0072b2"  # of Okabe & Ito's palette


def draw_reliability(decision: Decision, file: Path) -> None:
    """Write the diagram of a calibrated decision as a PNG: before and after, with how many images lie where."""
    found, validation = decision.calibration, decision.validation
    assert found is not None and validation is not None
    how = "cross-fitted" if found.crossfitted else "on the images it was fitted on"
    with in_our_style():
        figure = new_figure(4.2, 5.0)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        above.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
        parts = (
            (validation.probabilities, _BEFORE, "s", (0, (4, 2)), f"as it is (ECE {found.before:.3f})"),
            (found.probabilities, _AFTER, "o", "-", f"T = {found.temperature:.3g}, {how} (ECE {found.after:.3f})"),
        )
        for probabilities, color, marker, line, label in parts:
            bins = reliability(probabilities, validation.labels)
            above.plot(bins.predicted, bins.observed, color=color, linestyle=line, linewidth=0.7)
            sizes = 8 + 90 * bins.counts / len(validation)  # a bin of few answers says little
            above.scatter(bins.predicted, bins.observed, sizes, color, marker, label=label, zorder=3)
            _histogram(below, probabilities, color, line)
        above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that is anomalous")
        above.legend(loc="upper left", bbox_to_anchor=(0, 1.16), borderaxespad=0)
        below.set(xlabel="P(anomalous)", ylabel="answers")
        below.text(1, 1.04, f"{len(validation)} in all", transform=below.transAxes, ha="right", fontsize=7, color=INK)
    write_bytes(file, to_bytes(figure, "png"))


def _histogram(axes: Axes, probabilities: Values, color: str, line: object) -> None:
    axes.hist(probabilities, bins=BINS, range=(0, 1), histtype="step", color=color, linestyle=line, linewidth=1.2)
