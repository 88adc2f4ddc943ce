"""What is measured: as an application writes it, and as an expert writes it who keeps opt-outs by hand."""

from __future__ import annotations

from dataclasses import dataclass

_GONE = "EXISTS (SELECT FROM bank.opt_out AS o WHERE o.customer_id = {}.customer_id AND o.purpose = 'marketing')"


@dataclass(frozen=True)
class Query:
    """A query in both forms. `slow`: worth measuring with parallel workers too."""

    name: str
    text: str
    by_hand: str
    slow: bool = True


QUERIES = (
    Query(
        "scan",
        "SELECT count(*), sum(amount) FROM bank.payments AS p",
        f"SELECT count(*), sum(amount) FROM bank.payments AS p WHERE NOT {_GONE.format('p')}",
    ),
    Query(
        "join",
        "SELECT count(*), sum(p.amount::bigint + c.score) FROM bank.payments AS p JOIN bank.customers AS c"
        " USING (customer_id)",
        "SELECT count(*), sum(p.amount::bigint + c.score) FROM bank.payments AS p JOIN bank.customers AS c"
        f" USING (customer_id) WHERE NOT {_GONE.format('c')}",
    ),
    Query(
        "three-way join",
        "SELECT count(*), sum(i.price::bigint * i.quantity + c.score) FROM bank.items AS i JOIN bank.payments AS p"
        " USING (payment_id) JOIN bank.customers AS c USING (customer_id)",
        "SELECT count(*), sum(i.price::bigint * i.quantity + c.score) FROM bank.items AS i JOIN bank.payments AS p"
        f" USING (payment_id) JOIN bank.customers AS c USING (customer_id) WHERE NOT {_GONE.format('c')}",
    ),
    Query(
        "point look-up",
        "SELECT amount FROM bank.payments AS p WHERE payment_id = %s",
        f"SELECT amount FROM bank.payments AS p WHERE payment_id = %s AND NOT {_GONE.format('p')}",
        slow=False,
    ),
)
