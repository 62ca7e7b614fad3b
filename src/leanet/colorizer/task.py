"""Training the U-Net to recolour normal images (§3-1, §4-2)."""

from collections.abc import Iterator

import lightning
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from leanet.color import fancy_pca, principal_colors, rgb_to_lab, scale_lab, unscale_lab
from leanet.colorizer.unet import UNet
from leanet.data.batches import Tensors, batches
from leanet.settings import ColorizerSettings


class ColorizerTask(lightning.LightningModule):
    """L* → (a*, b*), both scaled to 0…1; Fancy PCA varies the light of each batch.

    The paper names no loss. `bce`, cross-entropy with the colours as soft targets, has its minimum where `mse` (the
    authors' code) has it, but keeps its gradient where the sigmoid saturates: with `mse`, pixels that overshoot in
    the first steps stay magenta or green, half a percent of them after eight epochs on strawberry leaves.
    """

    principal: Tensor

    def __init__(self, unet: UNet, settings: ColorizerSettings, normals: Tensor) -> None:
        """`normals`: (N, 3, S, S) uint8, the images to be trained on, for their principal colours."""
        super().__init__()
        self.unet = unet
        self.settings = settings
        self.register_buffer("principal", principal_colors(normals / 255), persistent=False)

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensor:
        rgb = batch["images"] / 255
        if self.settings.fancy_pca:
            draws = torch.randn(len(rgb), 3, device=rgb.device)
            rgb = fancy_pca(rgb, self.principal, self.settings.fancy_pca * draws)
        scaled = scale_lab(rgb_to_lab(rgb))
        logits, colors = self.unet.logits(scaled[:, :1]), scaled[:, 1:]
        if self.settings.loss == "mse":
            loss = mse_loss(torch.sigmoid(logits), colors)
        else:
            loss = binary_cross_entropy_with_logits(logits, colors)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(rgb))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        first, second = self.settings.betas
        return torch.optim.Adam(self.unet.parameters(), lr=self.settings.lr, betas=(first, second), fused=True)


@torch.inference_mode()
def recolored(unet: UNet, images: Tensor, batch_size: int = 32) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of (original, recoloured) true L*a*b*, (B, 3, S, S), of images (N, 3, S, S) uint8.

    The recoloured image has the original's L* and the a*, b* that the U-Net gives it.
    """
    unet.eval()
    device = next(unet.parameters()).device
    for batch in batches({"images": images}, batch_size):
        lab = rgb_to_lab(batch["images"].to(device) / 255)
        lightness = scale_lab(lab)[:, :1]
        yield lab, unscale_lab(torch.cat([lightness, unet(lightness)], dim=1))
