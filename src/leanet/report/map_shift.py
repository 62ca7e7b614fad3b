"""A warning where maps of training normals are fainter than those of other normal images."""

from collections.abc import Mapping, Sequence
from statistics import fmean

LARGE = 0.8  # from 0.5, where both are alike, to 1
_NAMED = 3  # models that a warning names


def shift_warning(shifts: Mapping[str, Sequence[float]]) -> str | None:
    """A sentence on the models whose `map_shift` is large; None if there are none.

    Args:
        shifts: of the folds, by model.
    """
    large = {model: fmean(values) for model, values in shifts.items() if values and fmean(values) > LARGE}
    if not large:
        return None
    named = ", ".join(f"{model} ({shift:.2f})" for model, shift in list(large.items())[:_NAMED])
    more = f" and {len(large) - _NAMED} more" if len(large) > _NAMED else ""
    return (
        f"map_shift above {LARGE:g}: {named}{more}. The maps of test normals are brighter than those of the training "
        "normals, which the map maker knows, so that F1 may be low although AUROC is high. "
        "map.cross_fit=2 makes both alike."
    )
