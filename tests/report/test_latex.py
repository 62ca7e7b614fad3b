"""Tables in LaTeX. A machine of its own is not needed: braces, environments and columns are counted here."""

import re

from leanet.report.latex import latex

TABLE = (
    ["", "potato f1", "potato lift"],
    [
        ["ResNet18", r"\textbf{0.933 ± 0.076} (5)", "–"],
        ["rgb_map & more", "0.538 ± 0.126", "−0.395 [−0.646, −0.144] p=0.2"],
    ],
)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_float_that_a_paper_can_read() -> None:
    text = latex(TABLE, "Table 3: image_size 256, 95 % intervals", "tab:table3", ["Bold: the best."])
    assert text.startswith("% needs \\usepackage{booktabs}\n")
    assert r"\caption{Table 3: image\_size 256, 95 \% intervals}" in lines(text)
    assert r"\label{tab:table3}" in lines(text) and r"Bold: the best.\par" in lines(text)
    assert [line for line in lines(text) if line.endswith(r"\\")] == [
        r" & potato F1 & potato lift \\".strip(),
        r"ResNet18 & \textbf{0.933 $\pm$ 0.076} (5) & -- \\",
        r"rgb\_map \& more & 0.538 $\pm$ 0.126 & $-$0.395 [$-$0.646, $-$0.144] p=0.2 \\",
    ]
    assert text.count("{") == text.count("}") and text.isascii()
    assert re.findall(r"\\begin\{(\w+)", text) == re.findall(r"\\end\{(\w+)", text)[::-1] == ["table", "tabular"]
    assert r"\begin{tabular}{lrr}" in lines(text)


def test_numbers_of_siunitx() -> None:
    text = latex(TABLE, "Table 3", "tab:table3", siunitx=True)
    assert r"ResNet18 & \textbf{\num{0.933 +- 0.076}} (5) & -- \\" in lines(text)
    assert "$\\pm$" not in text and "siunitx" in text.splitlines()[0]
    assert "\\footnotesize" not in text
