"""Which files are which class, the tables of labels, and the draw."""

import hashlib
import random
from pathlib import Path

import pytest

from leanet.data.images import NEGATIVE, POSITIVE
from leanet.errors import LeanetError
from leanet.published.archives import WantedFile
from leanet.published.sources import Drawn, Labels, Origin, draw


def origin(negative: list[str], positive: list[str], exclude: list[str] | None = None) -> Origin:
    return Origin(1, 1, "free", "me", "https://page", "all", negative, positive, exclude or [], None)


def image(content: str, label: int = NEGATIVE, name: str = "") -> WantedFile:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return WantedFile(label, name or f"{content}.png", Path("nowhere"), sha256, len(content))


def contents(drawn: Drawn) -> list[str]:
    return [found.sha256 for found in drawn.images]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/x/noncloud/a.jpg", NEGATIVE),
        ("/cloud/noncloud/a.jpg", NEGATIVE),
        ("noncloud/cloud/a.jpg", POSITIVE),
        ("/x/Cloud/A.JPEG", POSITIVE),
        ("/x/cloud/deeper/a.jpg", None),
        ("/x/noncloud/a.txt", None),
        ("/x/thundercloud/a.jpg", None),
        ("a.jpg", None),
    ],
)
def test_patterns_match_the_end_of_a_path(path: str, label: int | None) -> None:
    assert origin(["noncloud/*"], ["cloud/*"]).label(path) == label


def test_negatives_go_before_positives_and_exclusions_before_both() -> None:
    found = origin(["test/good/*"], ["test/*/*"], ["*/masks/*/*/*"])
    assert found.label("x/y/test/good/1.png") == NEGATIVE
    assert found.label("x/y/test/cut/1.png") == POSITIVE
    assert found.label("x/masks/test/good/1.png") is None
    assert not found.excluded("x/y/test/good/1.png")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_labels_from_a_table(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "labels.csv"
    rows = [
        ("Label", "eye", "Image"),
        ("1", "l", "IM1.JPG"),
        ("negative", "l", "b/im2"),
        ("0", "r", "x\\y\\im3.v2.jpg"),
    ]
    file.write_text("\ufeff" + "\r\n".join(mark.join(row) for row in rows), encoding="utf-8")
    labels = Labels.read(file, origin([], [], ["bad/*"]))
    assert labels.label("/a/b/im1.tif") == POSITIVE
    assert labels.label("/a/b/IM2.jpg") == NEGATIVE
    assert labels.label("/a/c/im2.jpg") is None
    assert labels.label("/x/y/im3.v2.png") == NEGATIVE
    assert labels.label("/a/bad/im1.jpg") is None
    assert labels.label("/a/im1.txt") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,class\na,1\n", "must have the columns image and label; it has image, class"),
        ("", "must have the columns image and label; it has none"),
        ("image,label\na,1\nb,2\n", "line 3: label=2: must be 0"),
        ("image,label\na\n", "line 2: label=: must be 0"),
        ("image,label\na,1\nA.jpg,0\n", "line 3: A.jpg has both labels"),
        (b"image,label\n\xff\xfe,1\n", "not text in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_bad_tables_are_told(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    file = tmp_path / "labels.csv"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(LeanetError, match=r"labels\.csv") as caught:
        Labels.read(file, origin([], []))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_draw_depends_on_contents_alone() -> None:
    found = [image(str(number), number % 2, f"z/{number}.png") for number in range(200)]
    renamed = [image(str(number), number % 2, f"a/{-number}.jpg") for number in range(200)]
    random.Random(0).shuffle(renamed)
    counts = {NEGATIVE: 30, POSITIVE: 20}
    first, second = draw(found, counts, 0), draw(renamed, counts, 0)
    for label, count in counts.items():
        assert contents(first[label]) == contents(second[label])
        assert len(set(contents(first[label]))) == count
        assert {found.label for found in first[label].images} == {label}


def test_the_draw_stays_as_it_is() -> None:
    """Written down once: a change would give everyone another dataset."""
    found = [image(str(number), number % 2) for number in range(40)]
    drawn = draw(found, {NEGATIVE: 5, POSITIVE: 3}, 0)
    assert [found.source for found in drawn[NEGATIVE].images] == EXPECTED[NEGATIVE]
    assert [found.source for found in drawn[POSITIVE].images] == EXPECTED[POSITIVE]


EXPECTED = {NEGATIVE: ["8.png", "18.png", "36.png", "28.png", "4.png"], POSITIVE: ["17.png", "29.png", "9.png"]}


def test_seeds_give_other_draws_and_larger_draws_hold_smaller_ones() -> None:
    found = [image(str(number)) for number in range(100)]
    drawn = {seed: set(contents(draw(found, {NEGATIVE: 50}, seed)[NEGATIVE])) for seed in range(3)}
    assert all(15 < len(drawn[one] & drawn[other]) < 35 for one, other in ((0, 1), (0, 2), (1, 2)))
    assert set(contents(draw(found, {NEGATIVE: 20}, 0)[NEGATIVE])) < drawn[0]


def test_images_outside_a_class_do_not_change_its_draw() -> None:
    found = [image(str(number)) for number in range(50)]
    more = found + [image(f"other {number}", POSITIVE) for number in range(50)]
    assert contents(draw(found, {NEGATIVE: 10}, 0)[NEGATIVE]) == contents(draw(more, {NEGATIVE: 10}, 0)[NEGATIVE])


def test_copies_come_last() -> None:
    found = [image(str(number % 10), name=f"{number}.png") for number in range(100)]
    for count, copies in ((10, 0), (13, 3), (100, 90)):
        drawn = draw(found, {NEGATIVE: count}, 0)[NEGATIVE]
        assert (len(drawn.images), len(set(contents(drawn))), drawn.copies) == (count, 10, copies)
        assert len({found.source for found in drawn.images}) == count


def test_contradictory_images_come_after_all_others_of_their_content_number() -> None:
    both = [image(str(number), label) for number in range(5) for label in (NEGATIVE, POSITIVE)]
    found = both + [image(str(number)) for number in range(5, 10)]
    drawn = draw(found, {NEGATIVE: 5, POSITIVE: 5}, 0)
    assert {found.source for found in drawn[NEGATIVE].images} == {f"{number}.png" for number in range(5, 10)}
    assert (drawn[NEGATIVE].contradictory, drawn[POSITIVE].contradictory) == (0, 5)
    assert draw(found, {NEGATIVE: 7}, 0)[NEGATIVE].contradictory == 2


def test_fewer_are_drawn_where_there_are_fewer() -> None:
    drawn = draw([image("a"), image("b")], {NEGATIVE: 5, POSITIVE: 5}, 0)
    assert (len(drawn[NEGATIVE].images), drawn[NEGATIVE].found) == (2, 2)
    assert (len(drawn[POSITIVE].images), drawn[POSITIVE].found) == (0, 0)
