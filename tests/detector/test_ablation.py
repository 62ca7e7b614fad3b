import pytest
import torch

from leanet.detector.ablation import ablated, derangement
from leanet.detector.adn import Adn
from leanet.detector.caan import DirectAttention
from leanet.detector.lea_net import LeaNet
from leanet.detector.task import DetectorTask


@pytest.mark.parametrize("count", [2, 3, 7, 100])
def test_every_image_is_given_another_one_s_and_each_once(count: int) -> None:
    for number in range(5):
        others = derangement(count, number)
        assert sorted(others.tolist()) == list(range(count))
        assert (others != torch.arange(count)).all() and torch.equal(others, derangement(count, number))
    assert count < 7 or not torch.equal(derangement(count, 0), derangement(count, 1))


def asked(images: torch.Tensor, maps: torch.Tensor) -> tuple[DetectorTask, dict[str, torch.Tensor]]:
    """A detector whose evidence is the mean of image · (1 + attention), less 1.5 · 0.6 of each."""
    mean = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))
    torch.nn.init.constant_(mean[2].weight, 1 / (3 * 8 * 8))
    mean[2].weight.data[0] *= -1
    mean[2].bias.data = torch.tensor([0.9, -0.9])
    task = DetectorTask(LeaNet(Adn(mean, ("0",) * 5), DirectAttention(), 1), lr=1e-3)
    labels = torch.tensor([0, 1] * 10)
    return task, {"images": images, "labels": labels, "maps": maps, "scales": torch.ones(len(labels))}


def test_where_only_the_attention_tells_the_classes_apart_its_mean_tells_nothing() -> None:
    images = torch.full((20, 3, 8, 8), 153, dtype=torch.uint8)  # 0.6
    maps = (
        torch.tensor([-1.0, 1.0] * 10)[:, None, None, None] + torch.linspace(0, 0.01, 20)[:, None, None, None]
    ).expand(20, 1, 8, 8)
    task, tensors = asked(images, maps)
    constant, shuffled = ablated(task, tensors, "constant"), ablated(task, tensors, "shuffled")
    assert constant["auroc"] == 0.5
    assert 0 < shuffled["auroc"] < 1  # as other images' labels have it


def test_where_the_image_tells_them_apart_nothing_is_lost() -> None:
    images = torch.tensor([0, 255] * 10, dtype=torch.uint8)[:, None, None, None].expand(20, 3, 8, 8)
    task, tensors = asked(images, torch.rand(20, 1, 8, 8))
    for kind in ("constant", "shuffled"):
        assert ablated(task, tensors, kind) == {"f1": 1.0, "auroc": 1.0, "ap": 1.0}
