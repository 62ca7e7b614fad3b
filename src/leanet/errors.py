"""The exceptions that are meant for the person at the keyboard."""


class LeanetError(Exception):
    """Something the user can mend, said in one line: what is wrong, and what to do."""


class MissingDatasetError(LeanetError):
    """The folder of a dataset is not there; a grid can be planned all the same."""
