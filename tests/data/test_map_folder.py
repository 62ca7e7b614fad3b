from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leanet.data.images import ImageSet, Index
from leanet.data.map_folder import MapFolder, map_fingerprint
from leanet.errors import LeanetError

WIDTH, HEIGHT, SIZE = 12, 8, 4


@pytest.fixture
def images() -> ImageSet:
    """Three images of 12×8 pixels, shown to networks at 4×4."""
    index = Index.of([("Negative/a.jpg", 0, "1"), ("Negative/b.png", 0, "2"), ("Positive/a.jpg", 1, "3")])
    return ImageSet(index, np.zeros((3, 3, SIZE, SIZE), np.uint8), ("1", "2", "3"), np.array([[WIDTH, HEIGHT]] * 3))


def fill(root: Path, *names: str, value: float = 1.0, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full(shape, value, np.float32))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill(tmp_path / "maps", "Negative/a.npy", "Negative/b.npy", "Positive/a.npy")


def refusal(root: Path, images: ImageSet) -> str:
    with pytest.raises(LeanetError) as error:
        MapFolder(root).load(images)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_maps_come_in_the_order_of_the_images(root: Path, images: ImageSet) -> None:
    for value, name in enumerate(("Negative/a", "Negative/b", "Positive/a"), start=1):
        fill(root, f"{name}.npy", value=value)
    found = MapFolder(root).load(images)
    assert found.shape == (3, 1, SIZE, SIZE) and found.dtype == np.float32
    assert found[:, 0, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("suffix", "values"),
    [
        (".png", np.arange(96, dtype=np.uint8)),
        (".png", np.arange(96, dtype=np.uint16) * 600),
        (".tif", np.arange(96, dtype=np.uint16) * 600),
        (".tiff", np.arange(96, dtype=np.float32) / 7),
        (".npy", np.arange(96, dtype=np.float64) / 7),
        (".npy", np.arange(96, dtype=np.int64).reshape(1, 1, 96)),
    ],
)
def test_every_format_keeps_its_values(suffix: str, values: np.ndarray, root: Path, images: ImageSet) -> None:
    (root / "Negative/a.npy").unlink()
    plane, file = values.reshape(HEIGHT, WIDTH), root / f"Negative/a{suffix}"
    if suffix == ".npy":
        np.save(file, plane if values.ndim == 1 else plane[None, None])
    else:
        Image.fromarray(plane).save(file)
    large = ImageSet(images.index, np.zeros((3, 3, HEIGHT, HEIGHT), np.uint8), images.pixels, images.sizes)
    found = MapFolder(root).load(large)[0, 0]
    assert found.mean() == pytest.approx(plane.mean(), rel=0.02)
    np.testing.assert_allclose(found[:, 0], plane[:, :2].mean(axis=1), rtol=0.05, atol=plane.max() * 0.01)


def test_a_map_may_be_square_or_of_its_images_shape_at_any_scale(root: Path, images: ImageSet) -> None:
    fill(root, "Negative/a.npy", shape=(5, 5))
    fill(root, "Negative/b.npy", shape=(HEIGHT * 3, WIDTH * 3))
    fill(root, "Positive/a.npy", shape=(3, 5))  # 12×8 at 0.4, rounded
    assert (MapFolder(root).load(images) == 1).all()


@pytest.mark.parametrize(
    ("fit", "expected"), [("pad", [0, 2, 2, 0]), ("crop", [2, 2, 2, 2]), ("stretch", [2, 2, 2, 2])]
)
def test_maps_are_padded_and_cropped_like_their_images(
    fit: str, expected: list[float], root: Path, images: ImageSet
) -> None:
    images = replace(images, sizes=np.array([[16, 8]] * 3), fit=fit)
    plane = np.zeros((8, 16), np.float32)
    plane[:, 4:12] = 2  # the centre, which is all that is left after cropping
    for name in ("Negative/a", "Negative/b"):
        np.save(root / f"{name}.npy", plane.repeat(1 + name.endswith("b"), 0).repeat(1 + name.endswith("b"), 1))
    fill(root, "Positive/a.npy", shape=(6, 6), value=3)  # of the square itself
    found = MapFolder(root).load(images)[:, 0]
    np.testing.assert_allclose(found[:2].max(axis=2), [expected] * 2, atol=0.3)
    assert (found[:2].min() > 1.5) == (fit == "crop") and (found[2] == 3).all()


def test_files_that_do_not_fit_are_all_named(root: Path, images: ImageSet) -> None:
    fill(root, "Negative/a.npy", shape=(WIDTH, HEIGHT))
    fill(root, "Positive/a.npy", shape=(3, HEIGHT, WIDTH))
    told = refusal(root, images)
    assert told.startswith("2 of 3 maps cannot be read: ")
    assert "8×12 does not fit its image of 12×8" in told
    assert "float32 of shape (3, 8, 12), and a map is one plane of numbers" in told


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_values_that_are_no_differences(value: float, root: Path, images: ImageSet) -> None:
    fill(root, "Negative/b.npy", value=value)
    assert "Negative/b.npy (it has values that are negative or not finite)" in refusal(root, images)


def test_colour_pictures_damaged_files_and_pickles(root: Path, images: ImageSet) -> None:
    for name in ("Negative/a", "Negative/b"):
        (root / f"{name}.npy").unlink()
    Image.new("RGB", (WIDTH, HEIGHT)).save(root / "Negative/a.png")
    (root / "Negative/b.tif").write_bytes(b"II*\x00")
    np.save(root / "Positive/a.npy", np.array([[{}]]), allow_pickle=True)
    told = refusal(root, images)
    assert told.startswith("3 of 3 maps cannot be read: ")
    assert "mode RGB, and a map is grey" in told and "allow_pickle=False" in told


def test_missing_maps_are_named_before_any_is_read(root: Path, images: ImageSet) -> None:
    for name in ("Negative/a", "Positive/a"):
        (root / f"{name}.npy").unlink()
    with pytest.raises(LeanetError, match=r"2 of 3 images have no map: Negative/a\.jpg, Positive/a\.jpg; a map has"):
        MapFolder(root).files(images.index)


def test_two_maps_for_one_image(root: Path, images: ImageSet) -> None:
    Image.new("L", (WIDTH, HEIGHT)).save(root / "Negative/a.png")
    assert "Negative/a.jpg has two maps, a.npy and a.png" in refusal(root, images)


def test_whole_names_tell_images_apart(root: Path) -> None:
    index = Index.of([("Negative/a.jpg", 0, "1"), ("Negative/a.png", 0, "2")])
    fill(root, "Negative/a.jpg.npy", "Negative/a.png.npy")
    assert [file.name for file in MapFolder(root).files(index)] == ["a.jpg.npy", "a.png.npy"]


def test_folds_may_have_maps_of_their_own(root: Path) -> None:
    fill(root, "fold2/Negative/a.npy")
    assert MapFolder.of_fold(str(root), 1).root == root
    assert MapFolder.of_fold(str(root), 2).root == root / "fold2"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(LeanetError, match=r"map\.root=.*/none: no such folder"):
        MapFolder.of_fold(str(tmp_path / "none"), 1)


def test_the_fingerprint_follows_names_and_contents(root: Path, tmp_path: Path) -> None:
    copy = fill(tmp_path / "copy", "Negative/a.npy", "Negative/b.npy", "Positive/a.npy")
    other = fill(tmp_path / "other", "Negative/a.npy", "Negative/b.npy", "Positive/a.npy", value=2)
    assert map_fingerprint(str(root), 5) == map_fingerprint(str(copy), 5) != map_fingerprint(str(other), 5)


def test_a_fold_s_number_anywhere_in_the_root(images: ImageSet, tmp_path: Path) -> None:
    for fold in (1, 2):
        fill(tmp_path / f"run{fold}" / "maps", "Negative/a.npy", "Negative/b.npy", "Positive/a.npy", value=fold)
    root = str(tmp_path / "run{fold}" / "maps")
    assert [float(MapFolder.of_fold(root, fold).load(images).mean()) for fold in (1, 2)] == [1, 2]
    before = map_fingerprint(root, 2)
    fill(tmp_path / "run2" / "maps", "Negative/a.npy", value=7)
    map_fingerprint.cache_clear()
    assert map_fingerprint(root, 2) != before  # whichever fold's maps change
    with pytest.raises(LeanetError, match=rf"^map.root={tmp_path}/run3/maps: no such folder"):
        MapFolder.of_fold(root, 3)
