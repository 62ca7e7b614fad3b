"""A table as a LaTeX float, for `\\input` in a paper as it is."""

import re
from collections.abc import Sequence

from leanet.report.tables import Table

_HEADINGS = {"f1": "F1", "auroc": "AUROC", "ap": "AP"}
_SYMBOLS = {"–": "--", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "Δ": r"$\Delta$", "…": r"\ldots{}"}
_BOOKTABS = "% needs \\usepackage{booktabs}"
_SIUNITX = (
    "% needs \\usepackage{booktabs,siunitx}\n"
    "% and \\sisetup{uncertainty-mode = separate, mode = text, reset-text-series = false}"
)
_MEASURED = re.compile(r"(\d+\.\d+) ± (\d+\.\d+)")


def latex(table: Table, caption: str, label: str, notes: Sequence[str] = (), siunitx: bool = False) -> str:
    """A float with rules of booktabs.

    Args:
        table: texts; commands in cells, such as `\\textbf{…}`, are kept.
        caption: above the table.
        label: for `\\ref`.
        notes: below the table.
        siunitx: whether to write mean ± SD by `\\num`, so that the package siunitx formats them.
    """
    header, rows = table
    body = [_line(row, siunitx) for row in rows]
    below = [r"  \par\smallskip\footnotesize\raggedright", *(f"  {escaped(note)}\\par" for note in notes)]
    return "\n".join(
        [
            _SIUNITX if siunitx else _BOOKTABS,
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escaped(caption)}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            r"    \toprule",
            _line([_heading(text) for text in header]),
            r"    \midrule",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            *(below if notes else []),
            r"\end{table}",
            "",
        ]
    )


def escaped(text: str) -> str:
    """A text with LaTeX's special characters escaped, apart from backslashes and braces."""
    text = re.sub(r"([_%&#])", r"\\\1", text)
    for symbol, command in _SYMBOLS.items():
        text = text.replace(symbol, command)
    return text


def _heading(text: str) -> str:
    return " ".join(_HEADINGS.get(word, word) for word in text.split(" "))


def _line(texts: Sequence[str], siunitx: bool = False) -> str:
    if siunitx:
        texts = [_MEASURED.sub(r"\\num{\1 +- \2}", text) for text in texts]
    return f"    {' & '.join(map(escaped, texts))} \\\\"
