"""How many runs share this machine: a grid tells each of its runs, since a fit takes longer beside others."""

import os

AT_ONCE = "LEANET_AT_ONCE"  # the environment variable; only grids set it


def at_once() -> int:
    """The number of runs that share this machine, this one included."""
    return int(os.environ.get(AT_ONCE, "1"))
