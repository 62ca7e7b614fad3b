"""Comments of YAML files, wherever people write them."""

from pathlib import Path

from leanet.config.yaml_comments import comments_of

TEXT = """\
# @package _global_
# What this file is:
# two lines.
defaults:
  - other
  - _self_

behind: 1   # after the value
long: null  # a first line
            # and a second one
# Above the value,
# in two lines.
above: "a # b"
plain: 2
list: [1, 2]      # of a list
quoted: "a # b"   # behind quotes
empty:            # nothing
group:            # of the group
  inherits: 1
  own: 2          # its own
flow: {a: 1}      # one line
"""


def test_comments_are_found(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text(TEXT)
    found = comments_of(file)
    assert found.header == "What this file is: two lines."
    assert dict(found.of) == {
        "behind": "after the value",
        "long": "a first line and a second one",
        "above": "Above the value, in two lines.",
        "list": "of a list",
        "quoted": "behind quotes",
        "empty": "nothing",
        "group": "of the group",
        "group.inherits": "of the group",
        "group.own": "its own",
        "flow": "one line",
    }
