from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, rgb2lab

from leanet.color import rgb_to_lab
from leanet.colorizer.autoencoder import Autoencoder
from leanet.colorizer.network import Colorizer
from leanet.colorizer.task import ColorizerTask
from leanet.colorizer.unet import UNet
from leanet.config.effective import settings_of
from leanet.config.settings import ColorizerSettings
from leanet.data.synthetic import SyntheticLeaves

MAKERS = [UNet, Autoencoder]
STEPS = {UNet: 8, Autoencoder: 20}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(SyntheticLeaves(image_size=32, negatives=4, positives=1).load(Path()).images[:4])


@pytest.fixture
def settings(configure: Any, tmp_path: Path) -> ColorizerSettings:
    return replace(settings_of(configure(tmp_path)).colorizer, fancy_pca=0.0)


@torch.no_grad()
def recolored(colorizer: Colorizer, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """L*a*b* of the images, and as the colorizer gives it."""
    lab = rgb_to_lab(images / 255)
    return lab, colorizer.eval().recolored(lab)


def made(maker: type[Colorizer]) -> Colorizer:
    torch.manual_seed(0)
    return maker(32)  # type: ignore[call-arg]


@pytest.mark.parametrize("maker", MAKERS)
def test_the_loss_may_be_the_map_itself(
    maker: type[Colorizer], images: torch.Tensor, settings: ColorizerSettings
) -> None:
    task = ColorizerTask(made(maker), replace(settings, loss="ciede2000"), images).eval()
    with torch.no_grad():
        loss = task.training_step({"images": images}, 0)["loss"]
    lab, other = recolored(task.colorizer, images)
    original = rgb2lab(np.moveaxis(images.numpy(), 1, -1))
    np.testing.assert_allclose(lab.movedim(1, -1), original, atol=1e-2)
    assert float(loss) == pytest.approx(deltaE_ciede2000(original, other.movedim(1, -1).numpy()).mean(), rel=1e-3)


@pytest.mark.parametrize("loss", ["bce", "mse", "ciede2000"])
@pytest.mark.parametrize("maker", MAKERS)
def test_every_loss_brings_the_map_down(
    maker: type[Colorizer], loss: str, images: torch.Tensor, settings: ColorizerSettings
) -> None:
    task = ColorizerTask(made(maker), replace(settings, loss=loss), images)

    def difference() -> float:
        lab, other = (part.movedim(1, -1).numpy() for part in recolored(task.colorizer, images))
        return float(deltaE_ciede2000(lab, other).mean())

    before, optimizer = difference(), task.configure_optimizers()
    task.train()
    for _ in range(STEPS[maker]):
        optimizer.zero_grad()
        task.training_step({"images": images}, 0)["loss"].backward()
        optimizer.step()
    assert difference() < 0.95 * before


def test_a_u_net_keeps_the_lightness(images: torch.Tensor) -> None:
    lab, other = recolored(made(UNet), images)
    torch.testing.assert_close(other[:, 0], lab[:, 0])
    assert not torch.allclose(other[:, 1:], lab[:, 1:])
