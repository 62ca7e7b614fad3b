"""Logistic regression by scikit-learn; deterministic."""

import torch
from torch import Tensor, nn

LEAST_SLOPE = 1e-3  # for each standard deviation; changes probabilities by less than .001
NOISE = 1e-4  # an SD up to this is noise: a* and b* of grey images in single precision


class LogisticRegression(nn.Module):
    """Standardised features (B, F) → (B, 2) logits of normal and anomalous, after `fit`.

    Args:
        count: F.
        rising: whether larger features are known to be more anomalous: then all weights are positive, whatever the
            labels.
        strength: as for `regression`.
        balanced: as for `regression`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int, rising: bool = False, strength: float = 1.0, balanced: bool = False) -> None:
        super().__init__()
        self.rising = rising
        self.strength = strength
        self.balanced = balanced
        self.linear = nn.Linear(count, 1)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("deviation", torch.ones(count))

    def forward(self, features: Tensor) -> Tensor:
        evidence = self.linear((features - self.mean) / self.deviation)
        return torch.cat([-evidence, evidence], dim=1)

    def slopes(self) -> tuple[Tensor, Tensor]:
        """Weights (F,) and bias for features that are not standardised; float64."""
        weights = self.linear.weight[0].double() / self.deviation.double()
        return weights, self.linear.bias[0].double() - weights @ self.mean.double()

    @torch.no_grad()
    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Fit to training images.

        Args:
            features: (N, F), which are standardised by their own means and SDs.
            labels: (N,), 0 normal and 1 anomalous; both must occur.
        """
        known = features.double()
        deviation, mean = torch.std_mean(known, dim=0, correction=0)
        deviation = torch.where(deviation > NOISE, deviation, 1)
        weights, bias = regression((known - mean) / deviation, labels, self.strength, self.balanced)
        if self.rising and weights.min() <= 0:
            weights, bias = weights.clamp(min=LEAST_SLOPE), torch.logit(labels.double().mean())
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
        self.linear.weight.copy_(weights)
        self.linear.bias.copy_(bias)


def regression(known: Tensor, labels: Tensor, strength: float = 1.0, balanced: bool = False) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression.

    Args:
        known: (N, F) float64.
        labels: (N,), 0 or 1.
        strength: scikit-learn's C, the weight of the loss against half the squared weights.
        balanced: whether both classes have the same total weight in the loss.

    Returns:
        weights (F,) and bias, float64.
    """
    from sklearn import linear_model  # here, since its import takes a second

    found = linear_model.LogisticRegression(
        C=strength, class_weight="balanced" if balanced else None, tol=1e-9, max_iter=10_000
    ).fit(known.numpy(), labels.numpy())
    return torch.from_numpy(found.coef_[0]), torch.tensor(found.intercept_[0], dtype=torch.float64)
