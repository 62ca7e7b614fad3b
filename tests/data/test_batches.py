import pytest
import torch

from leanet.data.batches import ShuffledBatches, batches


def ids(rows: int) -> dict[str, torch.Tensor]:
    return {"ids": torch.arange(rows), "twice": torch.arange(rows) * 2}


def test_in_order_and_whole() -> None:
    found = list(batches(ids(10), 4))
    assert [batch["ids"].tolist() for batch in found] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("rows", "sizes"), [(32, [16, 16]), (33, [16, 17]), (34, [16, 16, 2]), (1, [1]), (17, [17]), (5, [5])]
)
def test_no_image_is_lost_and_none_is_alone(rows: int, sizes: list[int]) -> None:
    shuffled = ShuffledBatches(ids(rows), 16, seed=0)
    found = list(shuffled)
    assert [len(batch["ids"]) for batch in found] == sizes and len(shuffled) == len(sizes)
    assert torch.cat([batch["ids"] for batch in found]).sort().values.tolist() == list(range(rows))
    assert all(torch.equal(batch["ids"] * 2, batch["twice"]) for batch in found)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        shuffled = ShuffledBatches(ids(50), 16, seed)
        shuffled.epoch = epoch
        torch.rand(7)  # the global state does not matter
        return torch.cat([batch["ids"] for batch in shuffled]).tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4) != order(1, 4)
