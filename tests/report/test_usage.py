from __future__ import annotations

import pytest

from pytest_embedeval.report import Part, assemble, table_lines
from pytest_embedeval.report.schema import Git, Run, UsageRow

RUN = Run(started="", duration_s=0.0, git=Git(), versions={}, machine={}, settings={})


def test_what_several_processes_used_of_one_model_is_added_up() -> None:
    first = UsageRow(model="b", requests=2, retries=1, texts=10, tokens=100, cost_usd=0.5)
    second = UsageRow(model="b", requests=1, retries=0, texts=5, tokens=50, cost_usd=0.25)
    other = UsageRow(model="a", requests=1, retries=0, texts=1, tokens=None, cost_usd=None)
    report = assemble(RUN, [Part(usage=[first, other]), Part(usage=[second])], ["b", "a"])
    assert report.usage == [UsageRow(model="b", requests=3, retries=1, texts=15, tokens=150, cost_usd=0.75), other]


def test_what_one_process_does_not_know_nobody_knows() -> None:
    known = UsageRow(model="a", requests=1, retries=0, texts=1, tokens=7, cost_usd=0.1)
    unknown = UsageRow(model="a", requests=1, retries=0, texts=1)
    for parts in ([known, unknown], [unknown, known]):
        (row,) = assemble(RUN, [Part(usage=[each]) for each in parts], ["a"]).usage
        assert (row.tokens, row.cost_usd) == (None, None)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            UsageRow(model="prod", requests=12, retries=1, texts=1340, tokens=51200, cost_usd=0.001024),
            "usage       prod: 12 requests (1 of them again), 1,340 texts, 51,200 tokens, $0.0010",
        ),
        (
            UsageRow(model="own", requests=1, retries=0, texts=1, tokens=9, cost_usd=0.00001),
            "usage       own: 1 request, 1 text, 9 tokens, less than $0.0001",
        ),
        (
            UsageRow(model="own", requests=1, retries=0, texts=1, tokens=9, cost_usd=0.0),
            "usage       own: 1 request, 1 text, 9 tokens, $0.0000",
        ),
        (
            UsageRow(model="own", requests=1, retries=0, texts=1),
            "usage       own: 1 request, 1 text, unknown tokens, price unknown",
        ),
        (
            UsageRow(model="own", requests=1, retries=0, texts=1, tokens=9),
            "usage       own: 1 request, 1 text, 9 tokens, price unknown",
        ),
    ],
)
def test_the_summary_has_a_line_for_each_model_behind_an_api(row: UsageRow, line: str) -> None:
    assert line in list(table_lines(assemble(RUN, [Part(usage=[row])], ["prod"])))
