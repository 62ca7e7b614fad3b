"""How well maps point at the anomalous pixels: pixel AUROC and AUPRO."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn.functional import interpolate

from leanet.data.masks import Masks
from leanet.detector.task import DetectorTask, evidence_maps, images_at_once, scaled_maps
from leanet.detector.tiles import in_parts
from leanet.experiment.maps import whole
from leanet.training.batches import SelectedRows, Tensors, batches

_SEEN = ("images", "maps", "scales")
MOST_FALSE = 0.3  # false positive rate up to which AUPRO integrates


def localisation(
    task: DetectorTask, tensors: Tensors, masks: Masks, test: NDArray[np.int64]
) -> dict[str, dict[str, float]] | None:
    """Scores of the anomaly map, of the attention at the deepest point, and of a frozen network's evidence.

    Args:
        task: the trained detector.
        tensors: of all images of the dataset, as batches have them.
        masks: of the dataset.
        test: rows of the test images; those without a mask are left out.

    Returns:
        as `localised`, for the kinds `map`, `attention` and `evidence` that there are; None without masks.
    """
    rows = masks.known(test)
    if not len(rows):
        return None
    maps: dict[str, list[Tensor]] = {}
    seen = {name: SelectedRows(tensors[name], torch.from_numpy(rows)) for name in _SEEN if name in tensors}
    task.eval()
    left = rows
    for batch in batches(seen, images_at_once(seen, 64)):
        with torch.inference_mode():
            attended = in_parts(task.network.attentions_of, scaled_maps(batch)) if task.network.caan is not None else []
            found = {"map": batch.get("maps"), "evidence": evidence_maps(task, batch)}
            found["attention"] = torch.cat([of_points[-1] for of_points in attended]) if attended else None
        here, left = np.split(left, [len(batch["images"])])
        for kind, each in found.items():
            if each is not None:
                maps.setdefault(kind, []).append(torch.from_numpy(whole(masks.images, here, each)))
    return localised({kind: torch.cat(parts) for kind, parts in maps.items()}, masks.of(rows)) or None


def localised(maps: Mapping[str, Tensor], masks: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Scores of several kinds of maps of the same images.

    Args:
        maps: by kind, (N, h, w) each, larger where more anomalous; enlarged to the masks' size by interpolation.
        masks: (N, S, S), where images are anomalous.

    Returns:
        `pixel_auroc` and `aupro` by kind; empty if all pixels are anomalous, or none.
    """
    if masks.all() or not masks.any():
        return {}
    found: dict[str, dict[str, float]] = {}
    for kind, each in maps.items():
        whole = interpolate(each[:, None].float(), masks.shape[-2:], mode="bilinear", align_corners=False)
        values = whole[:, 0].numpy()
        found[kind] = {
            "pixel_auroc": float(roc_auc_score(masks.ravel(), values.ravel())),
            "aupro": aupro(values, masks),
        }
    return found


def aupro(maps: NDArray[Any], masks: NDArray[np.bool_], most_false: float = MOST_FALSE) -> float:
    """The normalised area under the per-region overlap curve (Bergmann et al. 2021, *The MVTec Anomaly Detection
    Dataset*, §5.2), in 0…1; random maps have about `most_false` / 2.

    For each threshold, the per-region overlap is the share of pixels above it, averaged over all connected anomalous
    regions (8 neighbours), so that small ones count as much as large ones. It is integrated over the share of all
    normal pixels above the threshold, up to `most_false`, and divided by this.

    Args:
        maps: (N, S, S), larger where more anomalous.
        masks: (N, S, S), with anomalous and normal pixels.
        most_false: the largest share of normal pixels above the threshold.
    """
    overlap = _shares_of_regions(masks).ravel()
    values, normal = maps.ravel(), ~masks.ravel()
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))  # equal values pass a threshold together
    false = np.append(0, np.cumsum(normal[order])[ends] / normal.sum())
    covered = np.append(0, np.cumsum(overlap[order])[ends])
    inside = false < most_false
    at_end = np.interp(most_false, false, covered)
    area = np.trapezoid(np.append(covered[inside], at_end), np.append(false[inside], most_false))
    return float(area / most_false)


def _shares_of_regions(masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, S, S), what each pixel adds to the mean overlap of all regions; 0 for normal pixels."""
    shares, regions = np.zeros(masks.shape), 0
    for place, mask in enumerate(masks):
        labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(labels.ravel())
        shares[place][mask] = 1 / sizes[labels[mask]]
        regions += count
    return shares / regions
