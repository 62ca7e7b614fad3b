"""python -m leanet.ablate: measure whether finished runs use their attention, on their test folds."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from leanet.config.checked import read_settings
from leanet.config.command_line import run_command
from leanet.config.path_options import as_texts
from leanet.config.rules import BOOLEAN, POSITIVE, Rule, one_of
from leanet.config.settings import PathSettings
from leanet.errors import LeanetError
from leanet.model.find import Kept, all_kept, find
from leanet.storage.files import read_json, write_json
from leanet.storage.run_files import ABLATION

KINDS = ("constant", "shuffled")

RUNS = Rule(
    lambda v: isinstance(v, str) or (isinstance(v, list) and len(v) > 0 and all(isinstance(word, str) for word in v)),
    "a run or cell, or a list of them, as in runs=[a,b]",
)
ABLATIONS = Rule(
    lambda v: isinstance(v, list) and len(v) > 0 and all(kind in KINDS for kind in v),
    f"a list of some of {', '.join(KINDS)}",
    dict.fromkeys(KINDS, ""),
)


@dataclass(frozen=True)
class AblateSettings:
    """All settings of conf/ablate.yaml."""

    runs: Annotated[str | list[str] | None, RUNS]
    ablation: Annotated[list[str], ABLATIONS]
    accelerator: Annotated[str, one_of("auto", "cpu", "gpu", "mps")]
    tolerance: Annotated[float | None, POSITIVE]
    trust: Annotated[bool, BOOLEAN]
    paths: PathSettings


def ablate(config: dict[str, Any]) -> None:
    """Write ablation.json for each run with attention that has none yet, and print a line for each run.

    Raises:
        LeanetError: no such run; or, after all other runs are done, the first error.
    """
    settings: AblateSettings = read_settings(AblateSettings, config)
    home = Path(settings.paths.runs)
    left = [kept for kept in _asked_for(settings.runs, home) if _is_to_do(kept, settings.ablation)]
    wrong: list[LeanetError] = []
    if left:
        from leanet.model.ablation import Ablator  # here, since it imports torch

        ablator = Ablator(settings.accelerator, Path(settings.paths.data), settings.tolerance, settings.trust)
        for kept in left:
            try:
                found = ablator.ablated(kept, settings.ablation)
            except LeanetError as error:
                wrong.append(error)
                continue
            write_json(kept.folder / ABLATION, {**(read_json(kept.folder / ABLATION) or {}), **found})
            print(f"{kept.folder.name}: F1 {kept.result['f1']:.3f}; {'; '.join(map(_said, found.items()))}")
    if wrong:
        raise LeanetError(
            f"{len(wrong)} of {len(left)} runs could not be done; {wrong[0]}" if left[1:] else str(wrong[0])
        )


def _asked_for(words: str | Sequence[str] | None, home: Path) -> list[Kept]:
    """The finished runs with these names, without duplicates; all under `home` if there are no names."""
    if words is None:
        kept = all_kept(home)
        if not kept:
            raise LeanetError(f"paths.runs={home}: no run is done there")
        return kept
    words = [words] if isinstance(words, str) else words
    return list({member.folder: member for word in words for member in find(word, home).members}.values())


def _is_to_do(kept: Kept, kinds: Sequence[str]) -> bool:
    """Whether a run has to be ablated; if not, the reason is printed."""
    reason = ""
    if kept.is_model:
        reason = "was fitted on all images, and has none to test on"
    elif "@" not in kept.result["model"]:
        reason = "has no attention"
    elif set(kinds) <= (read_json(kept.folder / ABLATION) or {}).keys():
        reason = "done before"
    if reason:
        print(f"{kept.folder.name}: {reason}")
    return not reason


def _said(found: tuple[str, dict[str, Any]]) -> str:
    kind, figures = found
    return f"{kind} {figures['f1']:.3f} ({0.0 - round(figures['drops']['f1'], 3):+.3f})".replace("-", "−")


def main() -> None:
    if not any(word.startswith("runs=[") for word in sys.argv):
        sys.argv[1:] = as_texts(sys.argv[1:], frozenset({"runs"}))
    run_command(ablate, "ablate", AblateSettings)


if __name__ == "__main__":
    main()
