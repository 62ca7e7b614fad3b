from leanet.config.differences import differences, flat, short


def test_a_tree_becomes_dotted_names() -> None:
    assert flat({"adn": {"name": "cnn", "network": {"width": 8}}, "seed": 0}) == {
        "adn.name": "cnn",
        "adn.network.width": 8,
        "seed": 0,
    }


def test_what_one_has_and_another_has_not_is_a_difference() -> None:
    facts = [{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 4}]
    assert differences(facts) == ["b", "c"] and differences(facts[:1]) == []


def test_short_names_are_those_of_tables() -> None:
    assert [short(name) for name in ("trainer.max_epochs", "split_seed")] == ["epochs", "split_seed"]
