"""The exceptions whose messages are shown to users."""


class LeanetError(Exception):
    """A mistake that the user can correct. The message is one line: what is wrong, and what to do."""


class MissingDatasetError(LeanetError):
    """The folder of a dataset does not exist. A grid can still be planned."""
