"""The paper's tables on the page."""

from collections.abc import Iterator, Sequence
from html import escape

from leanet.report import layout
from leanet.report.cell import FinishedCell
from leanet.report.finished import said, tables_of
from leanet.report.paper import TABLES, paper_table


def paper_tables(cells: Sequence[FinishedCell]) -> Iterator[str]:
    """The paper's tables of which something is done, one for each way in which runs were trained."""
    found = [(number, members) for number in TABLES for _, members in tables_of(_of_table(number, cells))]
    if not found:
        return
    yield '<section id="paper" aria-labelledby="paper-title"><h2 id="paper-title">The paper’s tables</h2>'
    for place, (number, members) in enumerate(found):
        yield _table(f"table-{place}", number, members)
    yield "</section>"


def _of_table(number: int, cells: Sequence[FinishedCell]) -> list[FinishedCell]:
    paper = paper_table(number)
    return [cell for cell in cells if layout.belongs(cell, paper)]


def _table(name: str, number: int, cells: Sequence[FinishedCell]) -> str:
    columns = ["f1", "nested", "lift"] if any(cell.by_fold("validated") for cell in cells) else ["f1", "lift"]
    filled = layout.fill(paper_table(number), cells).with_entries()
    header, rows = layout.grid_of(filled, columns, lambda text, rank: "\0" * rank + text)
    head = "".join(
        f'<th scope="col"{"" if place else " class=text"}>{escape(text)}</th>' for place, text in enumerate(header)
    )
    body = "".join(f"<tr>{''.join(map(_marked, row))}</tr>" for row in rows)
    notes = " ".join(layout.notes(columns, cells))
    return (
        f"<details open><summary>Table {number}: {escape(said(cells[0].shared))}</summary>"
        f'<form class="bar"><label>Find a row <input type="search" class="narrow" data-table="{name}"></label></form>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table {number}">'
        f'<table class="paper" id="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="note">{escape(notes)} Best <strong>bold</strong>, second best <em>italic</em>.</p></details>'
    )


def _marked(text: str) -> str:
    rank = text.count("\0")
    plain = escape(text.strip("\0"))
    return "<td>" + {0: plain, 1: f"<strong>{plain}</strong>", 2: f"<em>{plain}</em>"}[rank] + "</td>"
