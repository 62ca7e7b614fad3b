"""LEA-Net whole, from two tensors to a trained detector: each step of the method, without files or configuration."""

from pathlib import Path

import torch
from torchmetrics.functional.classification import binary_auroc, binary_f1_score

from leanet.color import rgb_to_lab, scale_lab
from leanet.colorizer.unet import UNet
from leanet.data.synthetic import SyntheticLeaves
from leanet.detector.adn import resnet18
from leanet.detector.caan import mobilenet_caan
from leanet.detector.lea_net import LeaNet, evidence
from leanet.detector.loss import head_losses, total
from leanet.maps.color_maps import ColorMaps
from leanet.maps.scaling import map_divisor

SIZE, POINT, BATCH = 32, 3, 16
torch.manual_seed(0)

# Two tensors: images (N, 3, S, S), sRGB in 0…1, and labels (N,), 0 normal and 1 anomalous. A third of them is tested.
leaves = SyntheticLeaves(image_size=SIZE, negatives=120, positives=60, difficulty=0.2).load(Path())
images, labels = torch.from_numpy(leaves.images) / 255, torch.from_numpy(leaves.labels)
test = torch.arange(len(labels)) % 3 == 0
train = ~test


def batches(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The rows in random order, in batches of about BATCH."""
    return rows[torch.randperm(len(rows))].tensor_split(max(1, len(rows) // BATCH))


# 1. The colorizer learns to recolour the normal training images from their lightness (§3-1).
unet = UNet(SIZE)
optimizer = torch.optim.Adam(unet.parameters(), lr=1e-3, fused=True)
lab = scale_lab(rgb_to_lab(images[train & (labels == 0)]))
for _ in range(12):
    for rows in batches(torch.arange(len(lab))):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(unet.logits(lab[rows, :1]), lab[rows, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# 2. The anomaly map is the CIEDE2000 difference of each image and the recoloured one (§3-2), scaled by the fold.
with torch.no_grad():
    maps = ColorMaps(unet.eval())(images)  # (N, 1, S, S)
scaled = maps / map_divisor(maps, "fold", torch.nonzero(train)[:, 0])

# 3. CAAN turns the map into attention, M = σ(mean over channels) (Eq. 2), and the ADN's features f at one point become
#    (1 + M) f (Eq. 3). Both are trained together, L = BCE(CAAN) + BCE(ADN) (Eq. 1).
network = LeaNet(resnet18(channels=3, image_size=SIZE), mobilenet_caan(), POINT)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
for _ in range(10):
    for rows in batches(torch.nonzero(train)[:, 0]):
        loss = total(head_losses(network(images[rows], scaled[rows]), labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

# 4. P(anomalous) of the test images.
with torch.no_grad():
    output = network.eval()(images[test], scaled[test])
probability = torch.sigmoid(evidence(output.adn))
f1, auroc = binary_f1_score(probability, labels[test]), binary_auroc(probability, labels[test])
print(f"{len(probability)} test images: F1 {f1:.3f}, AUROC {auroc:.3f}")
