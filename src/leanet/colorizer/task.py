"""Training a colorizer to recolour normal images (§3-1, §4-2)."""

import lightning
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from leanet.color import ciede2000, fancy_pca, principal_colors, rgb_to_lab, scale_lab, unscale_lab
from leanet.colorizer.network import Colorizer
from leanet.config.settings import ColorizerSettings
from leanet.training.batches import SelectedRows, Tensors, batches


class ColorizerTask(lightning.LightningModule):
    """Trains a colorizer on normal images; Fancy PCA varies the colour of the light in each batch.

    The paper names no loss. `bce` is cross-entropy with the colours as soft targets. It has the same minimum as `mse`,
    the authors' loss, but keeps its gradient where the sigmoid saturates: with `mse`, pixels that overshoot in the
    first steps stay magenta or green (half a percent of them after eight epochs on strawberry leaves). `ciede2000` is
    the mean of the anomaly map.
    """

    principal: Tensor

    def __init__(self, colorizer: Colorizer, settings: ColorizerSettings, normals: Tensor | SelectedRows) -> None:
        """
        Args:
            colorizer: what is trained.
            settings: of the colorizer.
            normals: (N, 3, S, S) uint8, the training images, for their principal colours.
        """
        super().__init__()
        self.colorizer = colorizer
        self.settings = settings
        self.register_buffer(
            "principal",
            principal_colors(batch["images"] for batch in batches({"images": normals}, 256)),
            persistent=False,
        )

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensors:
        """The `loss` to minimise, whose mean over the epoch is logged."""
        rgb = batch["images"] / 255
        if self.settings.fancy_pca:
            draws = torch.randn(len(rgb), 3, device=rgb.device)
            rgb = fancy_pca(rgb, self.principal, self.settings.fancy_pca * draws)
        return {"loss": self.loss(rgb)}

    def loss(self, rgb: Tensor) -> Tensor:
        """The mean loss of images (B, 3, S, S), sRGB in 0…1."""
        lab = rgb_to_lab(rgb)
        scaled = scale_lab(lab)
        logits, colors = self.colorizer.logits(scaled[:, self.colorizer.sees]), scaled[:, self.colorizer.gives]
        if self.settings.loss == "ciede2000":
            return ciede2000(lab, unscale_lab(self.colorizer.complete(scaled, torch.sigmoid(logits)))).mean()
        if self.settings.loss == "mse":
            return mse_loss(torch.sigmoid(logits), colors)
        return binary_cross_entropy_with_logits(logits, colors)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        first, second = self.settings.betas
        return torch.optim.Adam(self.colorizer.parameters(), lr=self.settings.lr, betas=(first, second), fused=True)
