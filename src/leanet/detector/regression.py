"""Logistic regression of an image's features, by scikit-learn; the same each time."""

import torch
from torch import Tensor, nn

LEAST_SLOPE = 1e-3  # by a standard deviation; the answers move by less than .001
NOISE = 1e-4  # what a feature varies by, at most, that says nothing: a* and b* of grey images in single precision


class LogisticRegression(nn.Module):
    """Features (B, F) → (B, 2) logits of normal and anomalous, once it is fitted; the features are standardised.

    Args:
        count: F.
        rising: whether each feature is known to grow with what is anomalous, so that its weight is above 0 whatever the
            labels say: of a single feature the ranking stays its own.
        strength, balanced: as `regression` has them.
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
        """Weights (F,) and bias of the features as they are, before they are standardised; float64."""
        weights = self.linear.weight[0].double() / self.deviation.double()
        return weights, self.linear.bias[0].double() - weights @ self.mean.double()

    @torch.no_grad()
    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Fit to features (N, F), standardised by their own means and SDs.

        Args:
            labels: (N,), 0 or 1, both present.
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
    """Weights (F,) and bias of a logistic regression of the labels (N,) on `known` (N, F) float64.

    Args:
        strength: C, by which the loss, a sum over the N rows, is weighed against half the weights' squares.
        balanced: whether both classes have the same weight in the loss, whatever their numbers.
    """
    from sklearn import linear_model  # here, since its import takes a second

    found = linear_model.LogisticRegression(
        C=strength, class_weight="balanced" if balanced else None, tol=1e-9, max_iter=10_000
    ).fit(known.numpy(), labels.numpy())
    return torch.from_numpy(found.coef_[0]), torch.tensor(found.intercept_[0], dtype=torch.float64)
