import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from leanet.training.batches import SelectedRows, ShuffledBatches, batches, choose, read_ahead


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


def test_chosen_rows_are_those_of_the_tensor_and_nothing_is_read_before(tmp_path: Path) -> None:
    """A file with holes: of 8 GB only what is asked for is ever read."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(8 << 30)
    array = np.memmap(tmp_path / "large", np.uint8, "c", shape=(8 << 10, 1 << 20))
    array[[5, 8000]] = [[1], [2]]
    rows = choose({"x": torch.from_numpy(array)}, torch.arange(0, 8 << 10, 5))["x"]
    assert rows.shape == (1639, 1 << 20) and len(rows) == 1639 and rows.nbytes == 1639 << 20
    assert rows[torch.tensor([1, 1600])].float().mean(1).tolist() == [1, 2]
    assert rows[1:3].float().mean(1).tolist() == [1, 0]


def test_the_epoch_counts_that_is_set_when_the_first_batch_is_asked_for() -> None:
    early, late = ShuffledBatches(ids(50), 16, 0), ShuffledBatches(ids(50), 16, 0)
    waiting = iter(early)  # as Lightning does, before it tells callbacks of the epoch
    early.epoch = late.epoch = 3
    assert [batch["ids"].tolist() for batch in waiting] == [batch["ids"].tolist() for batch in late]


def test_batches_are_the_same_whether_their_tensors_are_chosen_or_read() -> None:
    rows = torch.arange(50).flip(0)[::2]
    whole = {key: value[rows] for key, value in ids(50).items()}
    for chosen, read in zip(ShuffledBatches(choose(ids(50), rows), 4, 0), ShuffledBatches(whole, 4, 0), strict=True):
        assert {key: value.tolist() for key, value in chosen.items()} == {k: v.tolist() for k, v in read.items()}


def test_what_is_read_ahead_comes_in_order_beside_the_work_and_its_errors_arrive() -> None:
    begun = [threading.Event() for _ in range(10)]

    def read(row: torch.Tensor) -> dict[str, torch.Tensor]:
        begun[int(row)].set()
        if int(row) == 9:
            raise OSError("gone")
        return {"row": row}

    found = []
    with pytest.raises(OSError, match="gone"):
        for batch in read_ahead(read, list(torch.arange(10))):
            found.append(int(batch["row"]))
            assert begun[found[-1] + 1].wait(30)  # while this one is being worked on
    assert found == list(range(9))
    assert list(read_ahead(read, [])) == []


def test_a_part_moves_to_a_device_as_its_rows() -> None:
    part = SelectedRows(torch.arange(10), torch.tensor([7, 3]))
    assert part.to(torch.device("cpu")).tolist() == [7, 3]
