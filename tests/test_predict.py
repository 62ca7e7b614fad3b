"""The command as a user gives it, and real processes that are killed in the middle of it."""

import csv
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from leanet.config.command_line import CONF
from leanet.data.synthetic import SyntheticLeaves
from leanet.errors import LeanetError
from leanet.fit import fit
from leanet.predict import predict
from leanet.storage.files import JOURNAL

PROCESSES = multiprocessing.get_context("forkserver")
MODEL = "folder-test_resnet+mobilenet-point4-autoencoder"

Config = dict[str, Any]


@pytest.fixture(scope="module")
def runs(made: Any) -> Path:
    """With one cell of two folds and a model, all with validation images."""
    return made.runs


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 photographs, of other leaves than those above and of another size; two of the files are none."""
    root = tmp_path_factory.mktemp("photos")
    leaves = SyntheticLeaves(image_size=48, negatives=20, positives=5, data_seed=3).load(root)
    for number in range(250):
        file = root / f"day {number % 3}" / f'a, "{number}"=ü\'.png'
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(np.moveaxis(leaves.images[number % 25], 0, -1)).save(file)
    (root / "day 1" / "broken.jpg").write_bytes(b"no image")
    (root / "empty.png").touch()
    (root / "notes.txt").write_text("no image either, nor named as one")
    return root


def configured(runs: Path, *words: str) -> Config:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("predict", overrides=[f"paths.runs={runs}", *words])
    container: Any = OmegaConf.to_container(config, resolve=True)
    return container


def asked(runs: Path, photos: Path, *words: str, **more: Any) -> Config:
    """The configuration for the fitted model."""
    return {**configured(runs, *words), "run": MODEL, "source": str(photos), **more}


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def result_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "prediction.json").read_text())
    return found


@pytest.fixture(scope="module")
def undisturbed(runs: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    predict(asked(runs, photos, out=str(folder)))
    return folder


def test_every_file_once_with_its_answer(undisturbed: Path, photos: Path) -> None:
    rows, unreadable = rows_of(undisturbed / "predictions.csv"), rows_of(undisturbed / "unreadable.csv")
    there = sorted(file.relative_to(photos).as_posix() for file in photos.rglob("*.png") if file.stat().st_size)
    assert [row["file"] for row in rows] == there and len(there) == 250
    assert {row["file"]: row["reason"] for row in unreadable} == {
        "day 1/broken.jpg": "not a JPEG, PNG, TIFF, BMP or WebP that Pillow can read",
        "empty.png": "empty file",
    }
    for row in rows:
        assert row["decision"] == ("anomalous" if float(row["probability"]) > 0.5 else "normal")
        assert (row["threshold"], row["threshold_by"]) == ("0.5", "0.5, as in the paper")
    found = result_of(undisturbed)
    assert found["images"]["unreadable"] == 2
    assert found["images"]["anomalous"] == sum(row["decision"] == "anomalous" for row in rows)
    assert sorted(file.name for file in undisturbed.iterdir()) == [
        "prediction.json", "predictions.csv", "unreadable.csv",
    ]  # fmt: skip


def kill_when_at(config: Config, journal: Path, lines: int) -> bool:
    """Start it, and SIGKILL it when so many files are done; False if it ended before that."""
    process = PROCESSES.Process(target=predict, args=(config,))
    process.start()
    while process.is_alive() and not (journal.exists() and journal.read_bytes().count(b"\n") > lines):
        time.sleep(0.001)
    killed = process.is_alive()
    if killed:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return killed


def test_killed_it_goes_on_and_ends_the_same(
    undisturbed: Path, runs: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = asked(runs, photos, out=str(tmp_path))
    journal = tmp_path / JOURNAL
    assert sum(kill_when_at(config, journal, lines) for lines in (0, 40, 130)) >= 2
    assert not (tmp_path / "predictions.csv").exists() and journal.exists()
    with journal.open("ab") as file:
        file.write(b'{"file": "cut o')  # what a power failure may leave
    predict(config)
    assert "resuming after " in capsys.readouterr().out
    for name in ("predictions.csv", "unreadable.csv", "prediction.json"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not journal.exists()


def test_a_finished_one_says_so_without_torch(undisturbed: Path, runs: Path, photos: Path) -> None:
    before = (undisturbed / "predictions.csv").stat().st_mtime_ns
    code = (
        "import json, sys; from leanet.predict import predict; predict(json.load(sys.stdin)); "
        "print('torch' in sys.modules)"
    )
    config = json.dumps(asked(runs, photos, out=str(undisturbed)))
    found = subprocess.run([sys.executable, "-c", code], input=config, capture_output=True, text=True, check=True)
    lines = found.stdout.splitlines()
    assert lines[0] == "all done before, nothing to predict" and lines[-1] == "False"
    assert (undisturbed / "predictions.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"id": 1'])
def test_a_damaged_prediction_is_named_with_what_to_do(
    undisturbed: Path, runs: Path, photos: Path, tmp_path: Path, content: str
) -> None:
    out = Path(shutil.copytree(undisturbed, tmp_path / "out"))
    (out / "prediction.json").write_text(content)
    with pytest.raises(LeanetError, match=rf"^{out}/prediction.json: damaged; remove it, and give the"):
        predict(asked(runs, photos, out=str(out)))


def test_other_settings_or_files_do_not_mix(undisturbed: Path, runs: Path, photos: Path, tmp_path: Path) -> None:
    some = Path(shutil.copytree(photos / "day 0", tmp_path / "some"))
    for other in ({"threshold": 0.4}, {"run": f"{MODEL}-fold1"}, {"source": str(some)}):
        with pytest.raises(
            LeanetError, match="holds a prediction with other settings or of other files; give another out"
        ):
            predict(asked(runs, photos, **{"out": str(undisturbed), **other}))
    out = tmp_path / "out"
    assert kill_when_at(asked(runs, photos, out=str(out)), out / JOURNAL, 40)
    with pytest.raises(LeanetError, match="which was not finished; give another out=DIR"):
        predict(asked(runs, photos, out=str(out), threshold=0.4))


def test_without_out_each_prediction_has_a_folder_of_its_own(runs: Path, photos: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(photos / "day 0", tmp_path / "my photos"))
    predict(asked(runs, source))
    predict(asked(runs, source, threshold=0.4))
    predict(asked(runs, source))
    next(source.iterdir()).unlink()
    predict(asked(runs, source))
    folders = list(runs.glob(f"predictions/my photos-{MODEL}-*"))
    assert sorted(len(rows_of(folder / "predictions.csv")) for folder in folders) == [83, 84, 84]


def test_a_cell_has_a_column_for_each_fold(runs: Path, photos: Path, tmp_path: Path) -> None:
    results = [json.loads(file.read_text()) for file in runs.glob("detectors/*/result.json")]
    source = next(photos.glob("day 0/*.png"))
    predict(asked(runs, source, run=results[0]["cell"], out=str(tmp_path / "both")))
    (row,) = rows_of(tmp_path / "both" / "predictions.csv")
    single = []
    for fold in (1, 2):
        (run,) = (result["run"] for result in results if result["fold"] == fold)
        predict(asked(runs, source, run=run, out=str(tmp_path / str(fold))))
        single.append(rows_of(tmp_path / str(fold) / "predictions.csv")[0]["probability"])
    assert [row["fold1"], row["fold2"]] == single
    assert float(row["probability"]) == pytest.approx(sum(map(float, single)) / 2)
    assert result_of(tmp_path / "both")["folds"] == [1, 2]


@pytest.mark.parametrize("words", [{"threshold": "f1"}, {"threshold": "recall", "recall": 1.0}, {"threshold": "cost"}])
def test_thresholds_chosen_on_validation_images(runs: Path, photos: Path, tmp_path: Path, words: Config) -> None:
    predict(asked(runs, next(photos.glob("day 0/*.png")), out=str(tmp_path), **words))
    found = result_of(tmp_path)["threshold"]
    (model,) = runs.glob("models/*")
    validated = rows_of(model / "validation.csv")
    assert found["images"] == len(validated) == 9
    called = [float(row["adn"]) > found["value"] for row in validated]
    if words["threshold"] == "recall":
        assert all(answer for answer, row in zip(called, validated, strict=True) if row["label"] == "1")
    wrong = sum(answer != (row["label"] == "1") for answer, row in zip(called, validated, strict=True))
    if words["threshold"] == "cost":
        assert found["reached"] == pytest.approx(wrong / 9)


def test_calibration_is_shown(runs: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cell = json.loads(next(runs.glob("detectors/*/result.json")).read_text())["cell"]
    predict(asked(runs, photos / "day 0", run=cell, out=str(tmp_path), calibration="temperature", threshold="f1"))
    found = result_of(tmp_path)["calibration"]
    assert found["images"] == sum(len(rows_of(file)) for file in runs.glob("detectors/*/validation.csv"))
    told = capsys.readouterr().out
    assert f"expected calibration error {found['error_before']:.3f} before, {found['error_after']:.3f} after" in told
    with Image.open(tmp_path / "reliability.png") as image:
        assert image.width > 1000
    plain = tmp_path / "plain"
    predict(asked(runs, photos / "day 0", run=cell, out=str(plain)))
    logits = [
        [np.log(float(row["fold1"]) / (1 - float(row["fold1"]))) for row in rows_of(folder / "predictions.csv")]
        for folder in (tmp_path, plain)
    ]
    assert np.array(logits[0]) * found["temperature"] == pytest.approx(np.array(logits[1]), abs=1e-4)


def test_overlays_are_pictures_of_each_image(runs: Path, tmp_path: Path) -> None:
    source = tmp_path / "in" / "sub"
    source.mkdir(parents=True)
    colors = np.zeros((60, 90, 3), np.uint8) + np.array([20, 160, 60], np.uint8)
    Image.fromarray(colors).save(source / "green.png")
    cut_off = tmp_path / "out" / "overlays" / "sub" / ".green.png.jpg.x.part"  # by an earlier process that was killed
    cut_off.parent.mkdir(parents=True)
    cut_off.touch()
    predict(asked(runs, source.parent, out=str(tmp_path / "out"), overlays=True))
    assert [file.name for file in cut_off.parent.iterdir()] == ["green.png.jpg"]
    with Image.open(tmp_path / "out" / "overlays" / "sub" / "green.png.jpg") as image:
        pixels = np.asarray(image).astype(int)
        assert image.width > 2.5 * image.height  # three panels of 3:2 beside each other
    left = pixels[100:250, 50:380].reshape(-1, 3)
    assert np.abs(left - [20, 160, 60]).max() < 12  # the photograph itself


def test_what_is_passed_over_is_named(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    (source / "@eaDir" / "1.jpg").mkdir(parents=True)
    for name in ("1.jfif", "@eaDir/1.jpg/thumb.jpg"):
        Image.new("RGB", (40, 40)).save(source / name, "JPEG")
    for name in ("2.HEIC", "3.cr2", "=4.gif", "notes.txt"):
        (source / name).write_bytes(b"x")
    predict(asked(runs, source, out=str(tmp_path / "out")))
    assert [row["file"] for row in rows_of(tmp_path / "out" / "predictions.csv")] == ["1.jfif"]
    assert {row["file"]: row["reason"] for row in rows_of(tmp_path / "out" / "unreadable.csv")} == {
        "2.HEIC": "HEIC, which needs pip install 'leanet[heic]'",
        "3.cr2": ".cr2 is not read: save it as JPEG, PNG, TIFF, BMP or WebP",
        "./=4.gif": ".gif is not read: save it as JPEG, PNG, TIFF, BMP or WebP",
    }
    told = capsys.readouterr().out
    assert "5 files left out: 3 of image formats that leanet does not read (" in told
    assert ", 1 hidden or of a system (@eaDir), 1 other (.txt)\n" in told
    assert result_of(tmp_path / "out")["images"]["unreadable"] == 3


@pytest.mark.parametrize("out", ["out", "in/out", "in"])
def test_what_was_written_into_the_source_is_not_predicted(
    out: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    Image.new("RGB", (40, 40), (20, 160, 60)).save(source / "1.png")
    config = asked(runs, source, out=str(tmp_path / out), overlays=True)
    predict(config)
    assert list((tmp_path / out).rglob("1.png.jpg"))
    capsys.readouterr()
    predict(config)
    assert capsys.readouterr().out.startswith("all done before, nothing to predict")
    predict(asked(runs, source, out=str(source / "again"), overlays=True))
    assert [row["file"] for row in rows_of(source / "again" / "predictions.csv")] == ["1.png"]


def test_long_names_and_names_of_formulas(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / ("ö" * 120)
    names = ["=1+1.png", "-a/b.png", "a.png", "a.png.jpg/b.png", "ü.png", f"{'l' * 240}.png", f"{'ü' * 125}.png"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40)).save(source / name)
    predict(asked(runs, source, overlays=True))
    (out,) = runs.glob("predictions/ö*")
    written = [row["file"] for row in rows_of(out / "predictions.csv")]
    assert {Path(name) for name in written} == set(map(Path, names))  # for programs they are the same files
    assert not [name for name in written if name[0] in "=-"]
    assert (out / "predictions.csv").read_bytes().startswith(b"\xef\xbb\xbffile,")  # by which spreadsheets know UTF-8
    drawn = [file for file in (out / "overlays").rglob("*.jpg") if file.is_file()]
    assert len(drawn) == len(names) - 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "no overlay of" in line]
    assert "a.png: " in line or "a.png.jpg/b.png: " in line  # of which one needs a folder where the other needs a file


def run_command(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leanet.predict", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **env})


@pytest.mark.slow
def test_any_locale_and_any_name(runs: Path, tmp_path: Path) -> None:
    source = tmp_path / "phötos"
    source.mkdir()
    for name in (b"\xff\xe9.png", "ü.png".encode(), b"no image \xff.png"):
        path = os.fsencode(source) + b"/" + name
        Image.new("RGB", (40, 40)).save(os.fsdecode(path), "PNG")
    Path(os.fsdecode(path)).write_bytes(b"")
    words = (f"run={next(runs.glob('models/*'))}", f"source={source}", "out=öut", "overlays=true")
    found = run_command(*words, cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (found.returncode, found.stderr) == (0, "")
    assert "1 files cannot be read" in found.stdout
    assert len(rows_of(tmp_path / "öut" / "predictions.csv")) == 2
    assert len(list((tmp_path / "öut" / "overlays").iterdir())) == 2


@pytest.mark.slow
def test_paths_and_hashes_are_taken_literally(runs: Path, photos: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(photos / "day 0", tmp_path / "of (May), {a}=b 'c' ${d} \\e\\"))
    folder = next(runs.glob("models/*"))
    shutil.copytree(folder, tmp_path / "123456789012")
    found = run_command("run=123456789012", f"source={source.name}", "out=1e5", cwd=tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert len(rows_of(tmp_path / "1e5" / "predictions.csv")) == 84


MISTAKES = {
    "": "run= is missing: give run=RUN_OR_CELL source=FILE_OR_FOLDER",
    "run=a": "source= is missing",
    "run=a source=b": "run=a: no such folder, and no run in runs; paths.runs=DIR names another",
    "run=a source=b threshold=best": "threshold=best: must be a number from 0 to 1, f1, recall, cost",
    "run=a source=b threshold=1.5": "threshold=1.5: must be",
    "run=a source=b recall=0": "recall=0: must be a number above 0, up to 1",
    "run=a source=b cost.miss=-1": "cost.miss=-1: must be a number above 0",
    "run=a source=b cost.mis=1": "cost.mis is no setting, did you mean cost.miss?",
    "run=a source=b calibration=isotonic": "calibration=isotonic: must be none or temperature",
    "run=a source=b overlays=both": "overlays=both: must be true or false",
    "run=a source=b tresh=1": "tresh is no setting, did you mean threshold?",
    "run=MODEL source=b": "source=b: no such file or folder",
    "run=MODEL source=.": "source=.: no JPEG, PNG, TIFF, BMP or WebP files in it",
    "run=MODEL source=a.txt": "source=a.txt: not named as a JPEG",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line(line: str, made: Any, python: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    words = line.replace("MODEL", str(made.model)).split()
    found = python("-m", "leanet.predict", *words, cwd=tmp_path)
    assert found.returncode == 1 and found.stdout == ""
    assert found.stderr.startswith("leanet: ") and found.stderr.count("\n") == 1
    assert MISTAKES[line] in found.stderr


def test_rules_that_need_validation_images_say_so(configure: Any, photos: Path, tmp_path: Path) -> None:
    config = configure(tmp_path, "fold=null", "trainer.max_epochs=1", "caan=none", "adn=cnn")
    fit({**config, "crossvalidate": False})
    for words in ({"threshold": "f1"}, {"threshold": "cost"}, {"calibration": "temperature"}):
        with pytest.raises(LeanetError, match=r"=.* needs images that were held out.*train it with validation=0\.2"):
            predict({**configured(tmp_path), "run": "synthetic-cnn", "source": str(photos), **words})


def test_images_that_the_model_was_trained_on_are_said(
    made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validated = {row["sha256"] for row in rows_of(made.model / "validation.csv")}
    predict(asked(made.runs, made.photos, out=str(tmp_path / "out")))
    known = {row["file"] for row in rows_of(tmp_path / "out" / "predictions.csv") if row["trained_on"] == "yes"}
    there = sorted(made.photos.glob("*/*.png"))
    seen = {file for file in there if hashlib.sha256(file.read_bytes()).hexdigest() not in validated}
    assert known == {file.relative_to(made.photos).as_posix() for file in seen} and 0 < len(known) < len(there)
    assert f"{len(known)} of these images were used to train the model" in capsys.readouterr().out


def test_a_single_image_s_probability_is_printed(
    runs: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = next(photos.glob("day 0/*.png"))
    predict(asked(runs, file, out=str(tmp_path / "out")))
    [row] = rows_of(tmp_path / "out" / "predictions.csv")
    said = capsys.readouterr().out
    assert f"{file.name}: P(anomalous) {float(row['probability']):.3f}\n" in said and "used to train" not in said


@pytest.mark.parametrize(("threshold", "kind"), [(0.999999, "normal"), (0.000001, "anomalous")])
def test_a_threshold_that_calls_all_images_the_same_is_said(
    threshold: float, kind: str, runs: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(asked(runs, photos / "day 0", out=str(tmp_path / "out"), threshold=threshold))
    assert f"all images are called {kind}; if that is wrong" in capsys.readouterr().out
