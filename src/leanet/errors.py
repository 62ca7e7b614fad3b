"""The one exception that is meant for the person at the keyboard."""


class LeanetError(Exception):
    """Something the user can mend, said in one line: what is wrong, and what to do."""
