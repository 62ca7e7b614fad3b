"""Training a colorizer to recolour normal images (§3-1, §4-2)."""

import lightning
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from leanet.color import ciede2000, fancy_pca, principal_colors, rgb_to_lab, scale_lab, unscale_lab
from leanet.colorizer.colorizer import Colorizer
from leanet.config.settings import ColorizerSettings
from leanet.training.batches import SelectedRows, Tensors, batches


class ColorizerTask(lightning.LightningModule):
    """Learns the colours that normal images have; Fancy PCA varies the light of each batch.

    The paper names no loss. `bce`, cross-entropy with the colours as soft targets, has its minimum where `mse` (the
    authors' code) has it, but keeps its gradient where the sigmoid saturates: with `mse`, pixels that overshoot in
    the first steps stay magenta or green, half a percent of them after eight epochs on strawberry leaves.
    `ciede2000` is the mean of the anomaly map itself.
    """

    principal: Tensor

    def __init__(self, colorizer: Colorizer, settings: ColorizerSettings, normals: Tensor | SelectedRows) -> None:
        """`normals`: (N, 3, S, S) uint8, the images to be trained on, for their principal colours."""
        super().__init__()
        self.colorizer = colorizer
        self.settings = settings
        self.register_buffer(
            "principal",
            principal_colors(batch["images"] for batch in batches({"images": normals}, 256)),
            persistent=False,
        )

    def training_step(self, batch: Tensors, batch_idx: int) -> Tensors:
        """`loss`, which is minimised; epochs.py logs its mean."""
        rgb = batch["images"] / 255
        if self.settings.fancy_pca:
            draws = torch.randn(len(rgb), 3, device=rgb.device)
            rgb = fancy_pca(rgb, self.principal, self.settings.fancy_pca * draws)
        return {"loss": self._loss(rgb_to_lab(rgb))}

    def _loss(self, lab: Tensor) -> Tensor:
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
