"""leanet COMMAND …, the same as python -m leanet.COMMAND. Imports a command only when it is called."""

import difflib
import os
import sys
from importlib import import_module

from leanet.config.commands import COMMANDS
from leanet.version import __version__


def main() -> None:
    """Call the command that the first argument names, with the other arguments."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(_help())
    elif "--version" in words:
        print(f"leanet {__version__}")
    elif words[0] in ("-sc", "--shell-completion"):
        _complete(words)
    elif words[0] in COMMANDS:
        _call(*words)
    else:
        sys.exit(f"leanet: {_no_command(words[0])}")


def _call(command: str, *arguments: str) -> None:
    sys.argv = [f"leanet-{command}", *arguments]
    import_module("leanet.report.__main__" if command == "report" else f"leanet.{command}").main()


def _complete(words: list[str]) -> None:
    """Complete the name of a command; the command itself completes its arguments, and prints the shell's script."""
    line = os.environ.get("COMP_LINE", "")
    _, _, typed = line.lstrip().partition(" ")
    command, *arguments = typed.lstrip().split(" ", 1)
    if arguments and command in COMMANDS:
        os.environ["COMP_LINE"] = typed
        _call(command, *words)
    elif "query" not in words[-1]:
        _call("train", *words)
    elif not arguments:
        space = "" if "fish" in words[-1] else " "
        print("\n".join(f"{name}{space}" for name in COMMANDS if name.startswith(command)))


def _help() -> str:
    commands = "\n".join(f"  {name:8} {words}" for name, words in COMMANDS.items())
    return f"""LEA-Net: colour anomaly detection.

Usage: leanet COMMAND [group=choice] [name=value] ...

{commands}

leanet COMMAND --help lists the options of a command; leanet --version prints the version.
python -m leanet.COMMAND and leanet-COMMAND are the same commands."""


def _no_command(word: str) -> str:
    if "=" in word:
        return f"{word}: a command comes first, as in leanet train {word}; leanet --help lists all"
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    return f"{word} is no command{f', did you mean leanet {close[0]}?' if close else ';'} leanet --help lists all"


if __name__ == "__main__":
    main()
