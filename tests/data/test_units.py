from leanet.data.units import units_of


def test_images_are_joined_by_pixels_and_groups_through_others() -> None:
    pixels, groups = ["x", "y", "x", "z", "v"], ["a", "b", "b", "c", "d"]
    units = units_of(pixels, groups)
    assert units[0] == units[1] == units[2]  # a and b share a picture
    assert len({units[0], units[3], units[4]}) == 3
    renamed = units_of(pixels, ["q", "r", "r", "s", "t"])
    assert renamed == units  # names of groups do not matter
    assert units_of(pixels, ()) is pixels
