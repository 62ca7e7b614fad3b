"""leanet.prepare on archives built as they are published, with tiny images, at the paper's counts."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from leanet.config.command_line import CONF
from leanet.data.folder import ImageFolder
from leanet.errors import LeanetError
from leanet.prepare import prepare

NEGATIVE, POSITIVE, UNWANTED = 0, 1, 2

# Tables 2 and 4: (negatives, positives).
PAPER = {
    "retina": (337, 98),
    "potato": (152, 50),
    "cloud": (300, 100),
    "leather": (277, 92),
    "wood": (266, 60),
    "hurricane": (300, 100),
    "concrete": (300, 100),
    "grape": (423, 141),
    "strawberry": (456, 152),
    "tile": (263, 84),
    "hazelnut": (431, 70),
    "carpet": (308, 89),
}
TRAINING_GOOD = {"leather": 245, "wood": 247, "tile": 230, "hazelnut": 391, "carpet": 280}  # of MVTec AD
DISEASES = {
    "potato": ["Early_blight", "Late_blight"],
    "grape": ["Black_rot", "Esca_(Black_Measles)", "Leaf_blight_(Isariopsis_Leaf_Spot)"],
    "strawberry": ["Leaf_scorch"],
}

Files = dict[str, bytes]


class Pictures:
    """Images of 1×1 pixel, all different, that remember what they are."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}

    def new(self, kind: int) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", (1, 1), tuple(len(self.kinds).to_bytes(3, "big"))).save(out, "PNG")
        self.kinds[hashlib.sha256(out.getvalue()).hexdigest()] = kind
        return out.getvalue()

    def folder(self, kind: int, pattern: str, count: int) -> Files:
        """`count` images, named by `pattern` with their numbers from 0."""
        return {pattern.format(number): self.new(kind) for number in range(count)}


def mvtec(pictures: Pictures, name: str) -> Files:
    """A category: good images for training and test, defects in folders whose files have the same names, masks."""
    negatives, positives = PAPER[name]
    training, cuts = TRAINING_GOOD[name], positives // 2
    return {
        **pictures.folder(NEGATIVE, f"{name}/train/good/{{:03}}.png", training),
        **pictures.folder(NEGATIVE, f"{name}/test/good/{{:03}}.png", negatives - training),
        **pictures.folder(POSITIVE, f"{name}/test/cut/{{:03}}.png", cuts),
        **pictures.folder(POSITIVE, f"{name}/test/color/{{:03}}.png", positives - cuts),
        **pictures.folder(UNWANTED, f"{name}/ground_truth/cut/{{:03}}_mask.png", cuts),
        f"{name}/license.txt": b"CC BY-NC-SA 4.0",
        f"{name}/readme.txt": b"",
    }


def all_of_mvtec(pictures: Pictures, name: str) -> Files:
    other = {
        **pictures.folder(UNWANTED, "bottle/train/good/{:03}.png", 5),
        **pictures.folder(UNWANTED, "bottle/test/cut/{:03}.png", 5),
    }
    return other | mvtec(pictures, name)


def plants(pictures: Pictures, name: str, root: str = "Plant_leave_diseases_dataset_without_augmentation") -> Files:
    """PlantVillage as on Mendeley Data: all healthy leaves of a plant are the paper's, and some of the others."""
    plant, each = name.title(), PAPER[name][1] // 2 + 20
    files = pictures.folder(NEGATIVE, f"{root}/{plant}___healthy/image ({{}}).JPG", PAPER[name][0])
    diseases = DISEASES[name] if len(DISEASES[name]) > 1 else DISEASES[name] * 2
    for number, disease in enumerate(diseases):
        files |= pictures.folder(POSITIVE, f"{root}/{plant}___{disease}/image ({number}{{}}).JPG", each)
    files |= pictures.folder(UNWANTED, f"{root}/Tomato___healthy/image ({{}}).JPG", 5)
    files |= pictures.folder(UNWANTED, f"{root}/Pepper,_bell___Bacterial_spot/image ({{}}).JPG", 5)
    return files | pictures.folder(UNWANTED, f"{root}/Background_without_leaves/image ({{}}).jpg", 5)


def plants_on_github(pictures: Pictures, name: str) -> Files:
    root = "PlantVillage-Dataset-master/raw"
    files = plants(pictures, name, f"{root}/color")
    for kind in ("grayscale", "segmented"):
        others = {path.replace("/color/", f"/{kind}/"): pictures.new(UNWANTED) for path in files if "/color/" in path}
        files = others | files
    return files


def clouds(pictures: Pictures) -> Files:
    negatives = pictures.folder(NEGATIVE, "noncloud/noncloud/img_{}.jpg", 340)
    return negatives | pictures.folder(POSITIVE, "cloud/cloud/img_{}.jpg", 100)


def houses(pictures: Pictures) -> Files:
    """Hurricane: four folders that share images, and whose files have the same names."""
    files: Files = {}
    for part, count in (("train_another", 150), ("validation_another", 50), ("test_another", 60), ("test", 80)):
        files |= pictures.folder(POSITIVE, f"{part}/damage/-95.6_{{}}.jpeg", count)
        files |= pictures.folder(NEGATIVE, f"{part}/no_damage/-95.6_{{}}.jpeg", count)
    copied = {
        f"test_another/{path.split('/')[1]}/{n}.jpeg": data for n, (path, data) in enumerate(files.items()) if n % 5
    }
    return files | copied


def cracks(pictures: Pictures) -> Files:
    negatives = pictures.folder(NEGATIVE, "Negative/{:05}.jpg", 330)
    return negatives | pictures.folder(POSITIVE, "Positive/{:05}.jpg", 330)


def eyes(pictures: Pictures, positive: str = "positive", negative: str = "negative") -> Files:
    """DR2 on figshare: an archive in the article's, beside those of other purposes."""
    root = "DR2-images-by-referral"
    referral = {
        **pictures.folder(NEGATIVE, f"{root}/{negative}/IM{{:06}}.JPG", 337),
        **pictures.folder(POSITIVE, f"{root}/{positive}/IM{{:06}}.JPG", 98),
    }
    lesions = pictures.folder(UNWANTED, "DR2-images-by-lesions/Normal Images/IM{:06}.JPG", 5)
    return {
        "DR1-images-by-lesions.zip": b"PK\x03\x04 not even opened",
        "DR2-images-by-lesions.zip": zipped(lesions),
        "DR2-images-by-referral.zip": zipped(referral),
        "markings.zip": zipped({"markings/IM000001.txt": b"imagem-normal"}),
    }


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: Files, mode: str = "w:xz") -> bytes:
    out = io.BytesIO()
    options = {"preset": 0} if mode == "w:xz" else {}
    with tarfile.open(fileobj=out, mode=mode, **options) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpacked(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


# Name of the archive, what is in it, how it is packed (not at all: a folder).
PUBLISHED: dict[str, tuple[str, Callable[[Pictures], Files], Callable[[Files], bytes] | None]] = {
    "retina": ("953671.zip", eyes, zipped),
    "cloud": ("archive.zip", clouds, zipped),
    "hurricane": ("archive.zip", houses, zipped),
    "concrete": ("Concrete Crack Images", cracks, None),
    **{
        name: ("Plant_leaf_diseases_dataset_without_augmentation.zip", partial(plants, name=name), zipped)
        for name in DISEASES
    },
    **{name: ("mvtec_anomaly_detection.tar.xz", partial(all_of_mvtec, name=name), tarred) for name in TRAINING_GOOD},
}


@cache
def composed(*overrides: str) -> str:
    """The resolved configuration as JSON, with HOME where a home is to be."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("prepare", overrides=["paths.data=HOME/data", *overrides])
    return json.dumps(OmegaConf.to_container(config, resolve=True))


def configured(home: Path, name: str, *overrides: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(composed(f"dataset={name}", *overrides).replace("HOME", str(home)))
    return config


def made(home: Path, name: str, source: Path, *overrides: str, **changes: Any) -> ImageFolder:
    """The dataset that prepare makes of the source, as training sees it."""
    prepare(configured(home, name, *overrides) | {"source": str(source)} | changes)
    return ImageFolder(name, str(home / "data" / name), 32)


def published(home: Path, name: str, pictures: Pictures) -> Path:
    file, build, pack = PUBLISHED[name]
    if pack is None:
        return unpacked(home / file, build(pictures))
    (home / file).write_bytes(pack(build(pictures)))
    return home / file


def counts(dataset: ImageFolder) -> tuple[int, int]:
    negatives, positives = np.bincount(dataset.index().labels, minlength=2).tolist()
    return negatives, positives


def check_right(dataset: ImageFolder, name: str, pictures: Pictures) -> None:
    """As many as the paper's, and every image one of the source's, of its class, and taken once."""
    index = dataset.index()
    assert (index.labels.tolist().count(0), index.labels.tolist().count(1)) == PAPER[name]
    assert len(set(index.sha256)) == len(index)
    assert [pictures.kinds[sha256] for sha256 in index.sha256] == index.labels.tolist()


@pytest.mark.parametrize("name", PAPER)
def test_the_twelve(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = Pictures()
    dataset = made(tmp_path, name, published(tmp_path, name, pictures))
    out = capsys.readouterr().out
    check_right(dataset, name, pictures)
    assert "WARNING" not in out
    assert f"next     python -m leanet.train dataset={name} paths.data={tmp_path}/data\n" in out
    for label, count in zip(("Negative", "Positive"), PAPER[name], strict=True):
        assert re.search(rf"^{label} +{count} +{count}$", out, re.MULTILINE)
    assert "licence  " in out and "cite     " in out and "page     https://" in out
    assert {path.name for path in (tmp_path / "data").iterdir()} == {".prepare", name}
    assert [path.name for path in (tmp_path / f"data/.prepare/{name}").iterdir()] == []


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("leather", lambda p: ("leather.tar.xz", tarred(mvtec(p, "leather")))),
        ("tile", lambda p: ("download", zipped({f"MVTec AD/{k}": v for k, v in mvtec(p, "tile").items()}))),
        ("potato", lambda p: ("x.tgz", tarred(plants_on_github(p, "potato"), "w:gz"))),
        ("potato", lambda p: ("a.zip", zipped(plants(p, "potato", "plantvillage dataset/color")))),
        ("retina", lambda p: ("dr2.zip", eyes(p)["DR2-images-by-referral.zip"])),
        ("retina", lambda p: ("all.zip", zipped(eyes(p, "Referable", "Non-Referable")))),
        ("concrete", lambda p: ("kaggle.zip", zipped(cracks(p)))),
    ],
)
def test_other_unpackings(name: str, build: Callable[[Pictures], tuple[str, bytes]], tmp_path: Path) -> None:
    pictures = Pictures()
    file, data = build(pictures)
    (tmp_path / file).write_bytes(data)
    dataset = made(tmp_path, name, tmp_path / file)
    check_right(dataset, name, pictures)


@pytest.mark.parametrize("below", ["", "mvtec", "mvtec/leather"])
def test_the_folder_may_be_one_above_or_the_category_itself(below: str, tmp_path: Path) -> None:
    pictures = Pictures()
    home = unpacked(tmp_path / "home/mvtec", mvtec(pictures, "leather")).parent
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    assert counts(made(tmp_path, "leather", home / below)) == PAPER["leather"]
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_a_folder_with_the_archive_in_it_will_do(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    published(tmp_path / "downloads", "cloud", Pictures())
    assert counts(made(tmp_path, "cloud", tmp_path / "downloads")) == PAPER["cloud"]


@pytest.mark.parametrize(
    "root",
    [
        "Plant_leave_diseases_dataset_with_augmentation",
        "New Plant Diseases Dataset(Augmented)/train",
        "raw/grayscale",
        "raw/segmented",
    ],
)
def test_altered_leaves_are_not_drawn_from(root: str, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(plants(Pictures(), "potato", root)))
    with pytest.raises(LeanetError, match="no negative image in it; looked for"):
        made(tmp_path, "potato", tmp_path / "a.zip")


FEW = ("dataset.origin.negatives=40", "dataset.origin.positives=20")


@pytest.fixture(scope="module")
def few_houses() -> Files:
    pictures = Pictures()
    files = pictures.folder(NEGATIVE, "test/no_damage/{}.jpeg", 60) | pictures.folder(
        POSITIVE, "test/damage/{}.jpeg", 60
    )
    return files | {f"test_another/damage/{number}.jpeg": files[f"test/damage/{number}.jpeg"] for number in range(9)}


def contents(dataset: ImageFolder) -> list[tuple[str, int]]:
    index = dataset.index()
    return list(zip(index.sha256, index.labels.tolist(), strict=True))


def test_order_names_and_packing_do_not_matter(tmp_path: Path, few_houses: Files) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(few_houses))
    renamed = {
        f"deep/{'/'.join(path.split('/')[:-1])}/{number}.png": data
        for number, (path, data) in enumerate(reversed(few_houses.items()))
    }
    (tmp_path / "b.tar").write_bytes(tarred(renamed, "w:"))
    folder = unpacked(tmp_path / "c", renamed)
    first, *others = (
        contents(made(tmp_path / str(number), "hurricane", source, *FEW))
        for number, source in enumerate((tmp_path / "a.zip", tmp_path / "b.tar", folder))
    )
    assert others == [first, first]


def test_seeds_draw_other_images(tmp_path: Path, few_houses: Files) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(few_houses))
    drawn = [
        set(contents(made(tmp_path / str(seed), "hurricane", tmp_path / "a.zip", *FEW, draw_seed=seed)))
        for seed in (0, 1)
    ]
    assert len(drawn[0]) == len(drawn[1]) == 60
    assert len(drawn[0] & drawn[1]) < 50


def test_fewer_images_than_the_papers_are_told_and_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = Pictures()
    files = pictures.folder(NEGATIVE, "noncloud/{}.jpg", 290) | pictures.folder(POSITIVE, "cloud/{}.jpg", 90)
    files |= {f"cloud/copy {number}.jpg": files[f"cloud/{number}.jpg"] for number in range(50)}
    files |= {"cloud/nothing.jpg": b"", "cloud/both.jpg": files["noncloud/0.jpg"]}
    dataset = made(tmp_path, "cloud", unpacked(tmp_path / "source", files))
    out = capsys.readouterr().out
    assert counts(dataset) == (290, 100)
    assert "WARNING: cloud Negative: only 290 images found of the paper's 300; all are used" in out
    assert "WARNING: cloud Positive: 9 of 100 are copies of others" in out
    assert "WARNING: cloud Positive: 1 of 100 are in the other class too" in out
    assert "1 empty files left out, cloud/nothing.jpg" in out
    assert re.search(r"^Negative +290 +300$", out, re.MULTILINE)


def test_a_table_of_labels_goes_before_the_folders(tmp_path: Path) -> None:
    pictures = Pictures()
    files = pictures.folder(NEGATIVE, "all/IM{:03}.jpg", 20) | pictures.folder(POSITIVE, "all/IM1{:03}.jpg", 10)
    source = unpacked(tmp_path / "source", files)
    rows = [f"{Path(name).stem},{int('IM1' in name and len(Path(name).stem) == 6)}" for name in files]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows]))
    dataset = made(tmp_path, "retina", source, labels=str(tmp_path / "labels.csv"))
    assert counts(dataset) == (20, 10)
    index = dataset.index()
    assert [pictures.kinds[sha256] for sha256 in index.sha256] == index.labels.tolist()


def test_what_is_there_is_checked_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = published(tmp_path, "cloud", Pictures())
    dataset = made(tmp_path, "cloud", source)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data/cloud").rglob("*")}
    capsys.readouterr()
    prepare(configured(tmp_path, "cloud"))  # no source needed
    out = capsys.readouterr().out
    assert out.startswith("cloud: made before, and unchanged since\n")
    assert re.search(r"^Positive +100 +100$", out, re.MULTILINE)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data/cloud").rglob("*")} == before
    (tmp_path / "data/cloud" / dataset.index().names[0]).write_bytes(b"other")
    with pytest.raises(LeanetError, match=r"1 files differ from MANIFEST\.csv: changed"):
        prepare(configured(tmp_path, "cloud"))


def test_a_folder_of_others_is_not_touched(tmp_path: Path) -> None:
    mine = unpacked(tmp_path / "data/cloud", {"Negative/mine.png": b"mine"})
    with pytest.raises(LeanetError, match=r"which leanet\.prepare did not make"):
        made(tmp_path, "cloud", published(tmp_path, "cloud", Pictures()))
    assert [path.name for path in mine.rglob("*")] == ["Negative", "mine.png"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "data/cloud").mkdir(parents=True)
    assert counts(made(tmp_path, "cloud", published(tmp_path, "cloud", Pictures()))) == PAPER["cloud"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    source = published(tmp_path, "cloud", Pictures())
    source.write_bytes(source.read_bytes()[:-500])
    with pytest.raises(LeanetError, match="damaged"):
        made(tmp_path, "cloud", source)
    assert [path.name for path in (tmp_path / "data/.prepare/cloud").iterdir()] == []
    assert not (tmp_path / "data/cloud").exists()


# Runs prepare in a process that kills itself when `where` is called for the `nth` time.
KILLED = """
import os, signal, sys
from unittest import mock
module, name, nth = {module!r}, {name!r}, {nth}
__import__(module)
real, calls = getattr(sys.modules[module], name), []
def counted(*args, **options):
    calls.append(1)
    if len(calls) == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
setattr(sys.modules[module], name, counted)
from leanet.prepare import main
sys.argv = ["leanet.prepare", *{arguments!r}]
main()
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, int]]]:
    """An archive, and what is made of it."""
    home = tmp_path_factory.mktemp("undisturbed")
    source = published(home, "cloud", Pictures())
    return source, contents(made(home, "cloud", source))


@pytest.mark.parametrize(
    ("module", "name", "nth"),
    [
        ("leanet.published.archives", "WantedFile", 100),  # while the archive is read
        ("leanet.published.manifest", "_copy", 350),
        ("leanet.published.manifest", "write_json", 1),  # all but the last file written
        ("leanet.prepare", "check_dataset", 1),  # after the folder has appeared
    ],
)
def test_after_a_kill_the_same_command_makes_the_same_dataset(
    module: str, name: str, nth: int, tmp_path: Path, undisturbed: tuple[Path, list[tuple[str, int]]]
) -> None:
    source, expected = undisturbed
    arguments = ["dataset=cloud", f"source={source}", f"paths.data={tmp_path}/data"]
    script = KILLED.format(module=module, name=name, nth=nth, arguments=arguments)
    killed = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "data/cloud").exists() == (name == "check_dataset")
    assert contents(made(tmp_path, "cloud", source)) == expected
    assert [path.name for path in (tmp_path / "data/.prepare/cloud").iterdir()] == []


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    source = published(tmp_path, "cloud", Pictures())
    command = [sys.executable, "-m", "leanet.prepare", "dataset=cloud", f"source={source}"]
    env = {name: value for name, value in os.environ.items() if name != "LEANET_DATA"}
    processes = [subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all("cloud is in data/cloud" in out for out in outs)
    assert counts(ImageFolder("cloud", str(tmp_path / "data/cloud"), 32)) == PAPER["cloud"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the folder tmp_path/served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "served").mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_downloads_are_made_into_the_dataset(tmp_path: Path, served: str) -> None:
    file = published(tmp_path / "served", "leather", Pictures())
    data = file.read_bytes()
    config = configured(tmp_path, "leather", "download=true")
    facts = {"url": f"{served}/{file.name}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    config["dataset"]["origin"]["download"] |= facts
    prepare(config)
    assert counts(ImageFolder("leather", str(tmp_path / "data/leather"), 32)) == PAPER["leather"]
    assert (tmp_path / "data/downloads/mvtec_anomaly_detection.tar.xz").read_bytes() == data


def test_a_wrong_download_makes_nothing(tmp_path: Path, served: str) -> None:
    file = published(tmp_path / "served", "potato", Pictures())
    config = configured(tmp_path, "potato", "download=true")
    config["dataset"]["origin"]["download"] |= {"url": f"{served}/{file.name}", "bytes": file.stat().st_size}
    with pytest.raises(LeanetError, match=r"removed; .*tywbtsjrjv/1 and give source=FILE"):
        prepare(config)
    assert not (tmp_path / "data/potato").exists()
    assert [path.name for path in (tmp_path / "data/downloads").iterdir()] == []


def test_a_rar_is_fetched_and_left_to_be_unpacked(tmp_path: Path, served: str) -> None:
    data = b"Rar!\x1a\x07\x01\x00" + bytes(1000)
    (tmp_path / "served/a.rar").write_bytes(data)
    config = configured(tmp_path, "concrete", "download=true")
    facts = {"url": f"{served}/a.rar", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    config["dataset"]["origin"]["download"] |= facts
    with pytest.raises(LeanetError, match=r"data/downloads/.*\.rar: leanet does not read \.rar; unpack it yourself"):
        prepare(config)


def test_a_rar_in_a_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "5y9wdsg2zt-2.zip").write_bytes(zipped({"Concrete Crack Images for Classification.rar": b"Rar!"}))
    with pytest.raises(LeanetError, match=r"holds Concrete Crack Images for Classification\.rar, .* give the folder"):
        made(tmp_path, "concrete", tmp_path / "5y9wdsg2zt-2.zip")


def test_every_origin_is_the_papers() -> None:
    for name, expected in PAPER.items():
        origin: Any = OmegaConf.load(CONF / f"dataset/{name}.yaml")["origin"]
        assert (origin["negatives"], origin["positives"]) == expected
        assert origin["page"].startswith("https://")
        download = origin["download"]
        if download:
            assert download["url"].startswith("https://") and re.fullmatch("[0-9a-f]{64}", download["sha256"])
            assert download["bytes"] > 1e8 and Path(download["name"]).name == download["name"]


def test_the_command_needs_no_torch(tmp_path: Path) -> None:
    script = "import sys, leanet.prepare; print(sorted({'torch', 'lightning', 'requests'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_settings_of_the_environment_are_used(tmp_path: Path) -> None:
    source = published(tmp_path, "cloud", Pictures())
    command = [sys.executable, "-m", "leanet.prepare", "dataset=cloud", f"source={source}"]
    env = os.environ | {"LEANET_DATA": str(tmp_path / "elsewhere")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.endswith("next     python -m leanet.train dataset=cloud\n")
    assert done.stderr == ""
    assert (tmp_path / "elsewhere/cloud/MANIFEST.csv").exists()


@pytest.mark.parametrize(
    ("name", "overrides", "parts"),
    [
        ("folder", [], ["dataset=folder: not one of the paper's: carpet, "]),
        ("potato", ["source=missing"], ["source=missing: no such file or folder; relative paths start at "]),
        ("potato", ["source=.", "download=true"], ["give source=DIR_OR_ARCHIVE or download=true, not both"]),
        ("cloud", ["download=true"], ["cloud has no address to fetch it from; give source=", "ashoksrinivas"]),
        ("cloud", [], ["dataset=cloud needs source=DIR_OR_ARCHIVE; get the whole dataset", "kaggle.com/datasets"]),
        ("retina", ["source=empty", "labels=missing"], ["labels=missing: cannot be read (No such file"]),
        (
            "retina",
            ["source=empty"],
            ["no negative image in it; looked for negative/* or non-referable/*", "in it: none"],
        ),
        ("potato", ["max_gb=0"], ["max_gb=0: must be a number above 0"]),
        ("potato", ["max_members=0"], ["max_members=0: must be a whole number from 1"]),
        ("potato", ["download=maybe"], ["download=maybe: must be true or false"]),
        ("potato", ["source=7"], ["source=7: must be a path"]),
        ("potato", ["dataset.root=null"], ["dataset.root: must name the folder that is to be made"]),
        ("potato", ["dataset.origin.positives=few"], ["dataset.origin.positives=few: must be a whole number from 1"]),
        ("potato", ["dataset.origin.exclude=few"], ["dataset.origin.exclude=few: must be a list of patterns"]),
        ("potato", ["dataset.origin.download=no"], ["dataset.origin.download=no: must be a group with url and name"]),
    ],
)
def test_mistakes_are_told(
    name: str, overrides: list[str], parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(LeanetError) as caught:
        prepare(configured(tmp_path, name, *overrides))
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
