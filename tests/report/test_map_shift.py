from leanet.report.map_shift import shift_warning


def test_models_with_a_large_shift_are_named_with_their_mean() -> None:
    found = shift_warning({"resnet18-map": [0.9, 1.0], "resnet18-map-cross2": [0.5, 0.9], "resnet18": []})
    assert found is not None
    assert found.startswith("map_shift above 0.8: resnet18-map (0.95). ") and "map.cross_fit=2" in found


def test_not_more_than_three_are_named() -> None:
    found = shift_warning({f"model{number}": [1.0] for number in range(5)})
    assert found is not None and "model2 (1.00) and 2 more." in found


def test_nothing_is_said_where_maps_are_alike() -> None:
    assert shift_warning({"resnet18-map": [0.5, 0.6]}) is None
