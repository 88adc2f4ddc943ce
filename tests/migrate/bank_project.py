"""A bank's Alembic project: twelve stages of its models and its data map, from nothing to a guarded bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

# Names that are the same whichever way a table was made.
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool

import rlsguard.alembic

config = context.config
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool).connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=config.attributes["metadata"],
            include_schemas=True,
            include_name=rlsguard.alembic.include_name,
        )
        with context.begin_transaction():
            context.run_migrations()
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the models and the map are at one time; `map` is empty while there is no guard."""

    message: str
    models: Callable[[], sa.MetaData]
    map: str


class Project:
    """An Alembic project in a folder, whose revisions are written by autogenerate."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = Config(str(folder / "alembic.ini"))
        command.init(self.config, str(folder / "migrations"))
        (folder / "migrations" / "env.py").write_text(_ENV, encoding="utf-8")
        ini = (folder / "alembic.ini").read_text(encoding="utf-8")
        ini = ini.replace("[alembic]", "[alembic]\nrlsguard_map = %(here)s/map.yaml", 1)
        (folder / "alembic.ini").write_text(ini, encoding="utf-8")
        self.config = Config(str(folder / "alembic.ini"))
        self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
        self.config.attributes["metadata"] = sa.MetaData()

    @property
    def map_path(self) -> Path:
        """Where the data map is."""
        return self.folder / "map.yaml"

    def revise(self, stage: Stage) -> str:
        """Write the revision that leads to *stage* and return its text."""
        self.config.attributes["metadata"] = stage.models()
        self.map_path.write_text(stage.map or _NO_MAP, encoding="utf-8")
        if not stage.map:
            self.config.remove_main_option("rlsguard_map")
        else:
            self.config.set_main_option("rlsguard_map", str(self.map_path))
        script = command.revision(self.config, stage.message, autogenerate=True)
        assert script is not None
        assert not isinstance(script, list)
        return Path(script.path).read_text(encoding="utf-8")

    def upgrade(self, to: str = "head") -> None:
        """Run upgrades."""
        command.upgrade(self.config, to)

    def downgrade(self, to: str) -> None:
        """Run downgrades."""
        command.downgrade(self.config, to)


_NO_MAP = "version: 1\n"


def _bank(
    *,
    trans: bool = True,
    loan: bool = False,
    note: bool = False,
    card: bool = False,
    odd: bool = False,
    client_key: type[sa.Integer] = sa.Integer,
    account_key: type[sa.Integer] = sa.Integer,
    disp: bool = True,
) -> Callable[[], sa.MetaData]:
    def models() -> sa.MetaData:
        bank = sa.MetaData(schema="bank", naming_convention=_NAMING)
        sa.Table(
            "client",
            bank,
            sa.Column("client_id", client_key, primary_key=True, autoincrement=False),
            sa.Column("birth_number", sa.Text, nullable=False),
        )
        sa.Table("account", bank, sa.Column("account_id", account_key, primary_key=True, autoincrement=False))
        if disp:
            sa.Table(
                "disp",
                bank,
                sa.Column("disp_id", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("client_id", client_key, sa.ForeignKey("bank.client.client_id"), nullable=False, index=True),
                sa.Column(
                    "account_id", account_key, sa.ForeignKey("bank.account.account_id"), nullable=False, index=True
                ),
            )
        if trans:
            more = [sa.Column("note", sa.String(80))] if note else []
            sa.Table(
                "trans",
                bank,
                sa.Column("trans_id", sa.BigInteger, primary_key=True, autoincrement=False),
                sa.Column(
                    "account_id", account_key, sa.ForeignKey("bank.account.account_id"), nullable=False, index=True
                ),
                sa.Column("amount", sa.Numeric(12, 2), nullable=False),
                *more,
            )
        if loan:
            sa.Table(
                "loan",
                bank,
                sa.Column("loan_id", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("account_id", account_key, sa.ForeignKey("bank.account.account_id"), nullable=False),
                sa.Column("amount", sa.Numeric(12, 2), nullable=False),
            )
        if card:
            sa.Table(
                "card",
                bank,
                sa.Column("card_id", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("disp_id", sa.Integer, sa.ForeignKey("bank.disp.disp_id"), nullable=False, index=True),
            )
        if odd:
            sa.Table(
                'Standing "Order"; 100%',
                bank,
                sa.Column("Order:Id", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("Für Konto", account_key, sa.ForeignKey("bank.account.account_id"), nullable=False),
            )
        return bank

    return models


_HEAD = """version: 1
subjects:
  client: {table: bank.client, key: client_id}
purposes:
  marketing: {description: "Campaigns: 100% ours"}
  servicing: {opt_out: false}
roles:
  campaign_app: [marketing]
  teller_app: [servicing]
"""
_MORE = _HEAD.replace("  servicing", "  analytics: {description: 'it''s \"counted\"'}\n  servicing").replace(
    "  teller_app", "  bi_reader: [analytics]\n  teller_app"
)
_BY_ACCOUNT = "client: [account_id = bank.disp.account_id, client_id]"
_ENTRIES: Mapping[str, str] = {
    "client": "  bank.client: {holds: [personal], subject: {client: client_id}}\n",
    "account": f"  bank.account: {{holds: [financial], subject: {{{_BY_ACCOUNT}}}}}\n",
    "disp": "  bank.disp: {holds: [personal], subject: {client: client_id}}\n",
    "trans": f"  bank.trans: {{holds: [financial], subject: {{{_BY_ACCOUNT}}}}}\n",
    "loan": f"  bank.loan: {{holds: [financial], subject: {{{_BY_ACCOUNT}}}, audit: {{}}}}\n",
    "redacted": f"  bank.loan: {{holds: [financial], subject: {{{_BY_ACCOUNT}}}, audit: {{redact: [amount]}}}}\n",
    "card": """  bank.card:
    {holds: [financial], subject: {client: [disp_id = bank.disp.disp_id, client_id]}, joint: all}
""",
    "odd": """  'bank."Standing ""Order""; 100%"':
    {holds: [financial], subject: {client: ['"Für Konto" = bank.disp.account_id', client_id]}}
""",
}


def _map(*tables: str, head: str = _HEAD, more: str = "") -> str:
    return head + more + "tables:\n" + "".join(_ENTRIES[table] for table in tables)


_FIRST = ("client", "account", "disp", "trans")
_BIG = sa.BigInteger
_EVENTS = "guard: {event_trigger: true}\n"

STAGES: tuple[Stage, ...] = (
    Stage("clients and accounts", _bank(disp=False, trans=False), ""),
    Stage("who holds which account", _bank(trans=False), ""),
    Stage("transactions", _bank(), ""),
    Stage("opt-outs hide rows", _bank(), _map(*_FIRST)),
    Stage("loans, guarded from their first row", _bank(loan=True), _map(*_FIRST, "loan")),
    Stage("a column more, amounts of loans redacted", _bank(loan=True, note=True), _map(*_FIRST, "redacted")),
    Stage("client_id is bigint", _bank(loan=True, note=True, client_key=_BIG), _map(*_FIRST, "redacted")),
    Stage(
        "account_id is bigint",
        _bank(loan=True, note=True, client_key=_BIG, account_key=_BIG),
        _map(*_FIRST, "redacted"),
    ),
    Stage(
        "cards",
        _bank(loan=True, note=True, card=True, client_key=_BIG, account_key=_BIG),
        _map(*_FIRST, "redacted", "card"),
    ),
    Stage(
        "a purpose and a role more",
        _bank(loan=True, note=True, card=True, client_key=_BIG, account_key=_BIG),
        _map(*_FIRST, "redacted", "card", head=_MORE),
    ),
    Stage(
        "no loans any more",
        _bank(note=True, card=True, client_key=_BIG, account_key=_BIG),
        _map(*_FIRST, "card", head=_MORE),
    ),
    Stage(
        'standing "orders", and event triggers: 100%',
        _bank(note=True, card=True, odd=True, client_key=_BIG, account_key=_BIG),
        _map(*_FIRST, "card", "odd", head=_MORE, more=_EVENTS),
    ),
)
