import json
from pathlib import Path

from leanet.report.kinds import kind_rows


def test_folds_are_added_and_the_interval_is_wilsons(tmp_path: Path) -> None:
    folds = [
        {"cut": {"images": 10, "detected": 9, "recall": 0.9, "auroc": 0.9}},
        {
            "cut": {"images": 10, "detected": 7, "recall": 0.7, "auroc": 0.8},
            "crack": {"images": 1, "detected": 0, "recall": 0.0, "auroc": 0.5},
        },
    ]
    needed = dict.fromkeys(("run", "cell", "dataset", "model", "fold", "folds", "image_size"))
    for number, kinds in enumerate(folds):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "result.json").write_text(json.dumps({**needed, "kinds": kinds}))
    rows = kind_rows([str(tmp_path / "0"), str(tmp_path / "1")])
    assert rows[0][:3] == ["crack", "1", "0"]
    # Wilson's interval of 16 of 20, as in Newcombe's and other published tables: 0.584 to 0.919.
    assert rows[1] == ["cut", "20", "16", "0.800 [0.584, 0.919]", "0.850 ± 0.071"]
