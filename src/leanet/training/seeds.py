"""Random seeds that are the same on every machine and independent of each other."""

import hashlib


def derive(seed: int, *words: str | int) -> int:
    """Derive a seed for one purpose from the user's seed.

    Initial weights, order of batches and dropout have their own seeds, so that a change to one network, such as another
    CAAN, does not change the weights and batches of the other: comparisons are paired.

    Args:
        seed: the user's.
        words: name the purpose.

    Returns:
        63 bits of the SHA-256 of seed and words.
    """
    text = "/".join(str(word) for word in (seed, *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
