"""Units: sets of images that are never divided between training and test."""

import hashlib
from collections.abc import Sequence


def units_of(pixels: Sequence[str], groups: Sequence[str]) -> Sequence[str]:
    """Join images that have equal pixels, or are in one group, directly or through other images.

    Args:
        pixels: N digests of the decoded pixels.
        groups: N names of groups; empty: no groups.

    Returns:
        N names of units, which depend on the pixels only: without groups, `pixels` themselves.
    """
    if not groups:
        return pixels
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]  # makes the way shorter for the next search
            node = parent[node]
        return node

    for digest, group in zip(pixels, groups, strict=True):
        parent[root(("pixels", digest))] = root(("group", group))
    members: dict[tuple[str, str], list[str]] = {}
    for digest in pixels:
        members.setdefault(root(("pixels", digest)), []).append(digest)
    names = {unit: hashlib.sha256("".join(sorted(found)).encode()).hexdigest() for unit, found in members.items()}
    return [names[root(("pixels", digest))] for digest in pixels]
