from leanet.training.seeds import derive


def test_same_on_every_machine() -> None:
    # printf '0/adn/1' | sha256sum gives 221e208d7cadfdc1…; shifted right by one bit.
    assert derive(0, "adn", 1) == 0x221E208D7CADFDC1 >> 1


def test_purposes_do_not_share_a_seed() -> None:
    seeds = {derive(seed, word, fold) for seed in range(10) for word in ("adn", "caan") for fold in range(10)}
    assert len(seeds) == 200
