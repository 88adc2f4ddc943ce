"""Spans as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.migrating.runs import Span
from bench.report import heading, row

_LONG = 0.1


def table(spans: Sequence[Span]) -> Iterator[str]:
    """Yield a table of *spans*, the first of which is that of nothing."""
    first = spans[0]
    waits = [f"waits over {_LONG * 1e3:.0f} ms", "longest", "to nothing"]
    names = ["s", "let others go first", "statements a second", "failed", *waits, "looks", "wrong"]
    yield from heading(["meanwhile", *names])
    for span in spans:
        longest = max(span.waits, default=0.0)
        yield row(
            [
                span.what + (", failed" if span.outcome.failure else ""),
                f"{span.seconds:.1f}",
                f"{span.outcome.gave_way:,}",
                f"{len(span.waits) / span.seconds:,.0f}",
                f"{span.failed.total():,}",
                f"{sum(wait > _LONG for wait in span.waits):,}",
                f"{longest * 1e3:,.0f} ms",
                f"**{longest / max(first.waits, default=1.0):.1f}**",
                f"{span.looks:,}",
                f"{span.wrong.total():,}",
            ]
        )


def remarks(spans: Sequence[Span]) -> Iterator[str]:
    """Yield what failed and what was seen wrong, by line."""
    for span in spans:
        if span.outcome.failure:
            yield f"{span.what} failed: {span.outcome.failure}"
        for what, number in (*span.failed.most_common(5), *span.wrong.most_common(5)):
            yield f"{span.what}: {number:,} times: {what}"
