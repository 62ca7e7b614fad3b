"""What is read back of real runs, beside what their files and the images themselves say."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from leanet.detector.task import probabilities
from leanet.errors import LeanetError
from leanet.experiment.fold import load_task
from leanet.report.figures.pictures import FoldPictures, Gallery
from leanet.report.results import results


def folders_of(home: Path, model: str) -> dict[int, Path]:
    """The folders of a model's runs, by fold."""
    return {run.fold: Path(run.folder) for run in results(home).itertuples() if run.model == model}


def of(home: Path, folders: dict[int, Path]) -> dict[int, FoldPictures]:
    """The pictures of runs, by fold."""
    gallery = Gallery(home, home / "data")
    return {fold: gallery.of(folder) for fold, folder in folders.items()}


@pytest.fixture(scope="module")
def folds(home: Path) -> dict[int, FoldPictures]:
    return of(home, folders_of(home, "cnn+mobilenet@3"))


def test_images_are_those_that_the_predictions_name(folds: dict[int, FoldPictures], home: Path, leaves: Path) -> None:
    shown = 0
    for pictures in folds.values():
        (file,) = home.glob(f"detectors/*-{pictures.run.id}/predictions.csv")
        rows = list(csv.DictReader(file.open(newline="")))
        for row, panel in zip(rows, pictures.panels(range(len(rows))), strict=True):
            with Image.open(leaves / row["file"]) as image:
                np.testing.assert_array_equal(panel.image, np.asarray(image.convert("RGB")).transpose(2, 0, 1))
            assert (panel.name, panel.label, panel.probability) == (row["file"], int(row["label"]), float(row["adn"]))
            assert panel.name.startswith("Positive" if panel.label else "Negative")
            shown += 1
    assert shown == 24


def test_the_loaded_detector_gives_the_written_probabilities(folds: dict[int, FoldPictures]) -> None:
    for pictures in folds.values():
        rows = range(len(pictures.predictions.labels))
        found = probabilities(load_task(pictures.run), pictures.batch(rows))["adn"]
        np.testing.assert_allclose(found, pictures.predictions.probabilities, atol=1e-5)


def test_the_map_is_the_difference_from_the_recoloured_image(folds: dict[int, FoldPictures]) -> None:
    from skimage.color import deltaE_ciede2000, rgb2lab

    panel = folds[2].panels([0])[0]
    original, other = (rgb2lab(image.transpose(1, 2, 0) / 255) for image in (panel.image, panel.recoloured))
    apart = np.abs(deltaE_ciede2000(original, other) - panel.difference)
    assert np.median(apart) < 0.5  # the recoloured image is kept in 8 bits, and colours beyond sRGB are cut


def test_features_and_attention_are_of_the_runs_own_point(folds: dict[int, FoldPictures]) -> None:
    found = folds[1].features([2, 0])
    assert found.before.shape == (2, 4, 4)  # an eighth of 32: point 3
    torch.testing.assert_close(found.after, found.before * (1 + found.attention))
    shown = np.stack([panel.attention for panel in folds[1].panels([2, 0])])
    np.testing.assert_allclose(shown, found.attention, atol=5e-4)  # kept in half precision


def test_the_evidence_adds_up_to_the_logit_of_the_written_probability(frozen: Path) -> None:
    [pictures] = of(frozen, folders_of(frozen, "frozen-stages34")).values()
    panels = pictures.panels(range(len(pictures.predictions.labels)))
    chances = np.array([panel.probability for panel in panels])
    found = np.array([panel.evidence.sum() for panel in panels])
    np.testing.assert_allclose(found, np.log(chances / (1 - chances)), atol=1e-4)
    assert pictures.panels([0], details=False)[0].evidence is None


def test_a_network_that_is_trained_has_no_evidence(folds: dict[int, FoldPictures]) -> None:
    assert folds[1].panels([0])[0].evidence is None


def test_a_kept_attention_is_taken_without_the_network(folds: dict[int, FoldPictures], tmp_path: Path) -> None:
    run = folds[1].run
    home = tmp_path / "runs"
    shutil.copytree(Path(run.settings.paths.runs), home)
    pictures = of(home, folders_of(home, run.model))[1]
    for name in ("last.ckpt", "attention.npy"):
        (pictures.run.folder / name).unlink()
    with pytest.raises(LeanetError, match=r"last\.ckpt is gone"):
        pictures.panels([0])
    assert pictures.panels([0], details=False)[0].attention is None
    kept = np.random.default_rng(0).random((12, 4, 4)).astype(np.float16)
    np.save(pictures.run.folder / "attention.npy", kept)
    np.testing.assert_array_equal(pictures.panels([3])[0].attention, kept[3])
    pictures.run.maps_file.unlink()
    for folder in pictures.run.maker_folders:
        (folder / "colorizer.pt").unlink()
    with pytest.raises(LeanetError, match=r"maps-ciede2000\.npy is gone"):
        of(home, folders_of(home, run.model))[1].panels([0])


def test_typical_images_lie_in_the_middle_of_their_class(folds: dict[int, FoldPictures]) -> None:
    pictures = folds[1]
    rows = np.flatnonzero(pictures.predictions.labels == 0)
    means = {int(row): float(pictures.panels([row], details=False)[0].difference.mean()) for row in rows}
    ranked = sorted(means, key=lambda row: means[row])
    assert pictures.typical(0, 1) == [ranked[len(ranked) // 2]]
    assert pictures.typical(0, 2) == [ranked[len(ranked) // 4], ranked[3 * len(ranked) // 4]]
    assert sorted(pictures.typical(0, 500)) == sorted(ranked) and len(pictures.typical(1, 1)) == 1


def test_a_run_without_maps_has_images_alone(home: Path) -> None:
    panel = of(home, folders_of(home, "cnn"))[1].panels([0])[0]
    assert panel.recoloured is None and panel.difference is None and panel.attention is None


def moved(home: Path, copy: Path, root: Path) -> dict[int, Path]:
    """The CNN's run, copied to `copy`, as if it had been done on the images in `root`; by its fold."""
    if not copy.exists():
        shutil.copytree(home, copy)
    folders = folders_of(copy, "cnn")
    for folder in folders.values():
        file = folder / "config.yaml"
        config = yaml.safe_load(file.read_text())
        config["dataset"]["root"] = str(root)
        file.write_text(yaml.safe_dump(config))
    return folders


def test_images_that_are_gone_or_others_are_told_in_one_line(home: Path, leaves: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs"
    with pytest.raises(LeanetError, match=rf"^leaves: .*dataset\.root={tmp_path}/gone: no such folder.*$"):
        of(copy, moved(home, copy, tmp_path / "gone"))
    shutil.copytree(leaves, tmp_path / "same")
    assert list(of(copy, moved(home, copy, tmp_path / "same"))) == [1]
    next((tmp_path / "same" / "Negative").iterdir()).unlink()
    with pytest.raises(
        LeanetError, match=rf"^leaves: the images in dataset\.root={tmp_path}/same .* no longer those.*$"
    ):
        of(copy, moved(home, copy, tmp_path / "same"))


def test_older_results_get_their_fingerprint_from_the_test_images(home: Path, leaves: Path, tmp_path: Path) -> None:
    """Of all folds; of a cell that lacks some, by its identity."""
    copy = Path(shutil.copytree(home, tmp_path / "runs"))
    [expected] = set(results(home)["fingerprint"])
    for file in copy.glob("detectors/*/result.json"):
        result = json.loads(file.read_text())
        del result["fingerprint"]
        file.write_text(json.dumps(result))
    folds = results(copy)
    assert set(folds.groupby("cell").size()) == {1, 2} and set(folds["fingerprint"]) == {expected}


def test_runs_from_another_machine_find_their_images_in_this_one_s_data(
    home: Path, leaves: Path, tmp_path: Path
) -> None:
    """Whether the root was a folder of datasets there, or any other."""
    copy, data = tmp_path / "runs", tmp_path / "here"
    shutil.copytree(leaves, data / "some" / "leaves")
    shutil.copytree(leaves, data / "photos")
    [folder] = moved(home, copy, Path("/of/another/machine/photos")).values()
    assert len(Gallery(copy, data).of(folder).images.images) == 24
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    config["paths"]["data"], config["dataset"]["root"] = "/their/data", "/their/data/some/leaves"
    file.write_text(yaml.safe_dump(config))
    assert len(Gallery(copy, data).of(folder).images.images) == 24


def test_a_run_that_names_other_code_is_not_built(home: Path, leaves: Path, tmp_path: Path) -> None:
    copy = tmp_path / "runs"
    [folder] = moved(home, copy, leaves).values()
    file = folder / "config.yaml"
    kept = file.read_text()
    for place in ("dataset", "adn", "logger"):
        config = yaml.safe_load(kept)
        evil = {"_target_": "shutil.copyfile", "src": str(file), "dst": str(tmp_path / "owned")}
        if place == "logger":  # which is not built at all
            config["logger"] = evil
            file.write_text(yaml.safe_dump(config))
            mapped = folders_of(copy, "cnn+mobilenet@3")[1]
            other = mapped / "config.yaml"
            other.write_text(yaml.safe_dump({**yaml.safe_load(other.read_text()), "logger": evil}))
            assert Gallery(copy, tmp_path).of(mapped).panels([0]) and Gallery(copy, tmp_path).of(folder).panels([0])
            assert not (tmp_path / "owned").exists()
            continue
        (config["adn"]["network"] if place == "adn" else config["dataset"])["more"] = evil
        file.write_text(yaml.safe_dump(config))
        with pytest.raises(LeanetError, match=rf"^{file}: {place}.*_target_=shutil.copyfile is not part of leanet"):
            Gallery(copy, tmp_path).of(folder)
        assert not (tmp_path / "owned").exists()
