"""Seeds that are the same on every machine and independent of each other."""

import hashlib


def derive(seed: int, *words: str | int) -> int:
    """A seed for one purpose: 63 bits of the SHA-256 of the user's seed and the purpose's words.

    Initial weights, batch order and dropout each have their own, so that a change to one network (say, another
    CAAN) leaves the weights and the batches of the other as they were: comparisons are paired.
    """
    text = "/".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
