"""The tables. One place declares them; revisions in `migrations/` must build exactly these.

Instants are microseconds since the epoch, UTC. Tokens and money are integers: amounts are in a
grant's unit (tokens, requests, or nano-units of a currency), costs in nano-units, prices in
micro-units per 1,000,000 tokens. Keys of the catalogue are numbers handed out by `ledger.revision`,
so no database needs a sequence. Lists are JSON text.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's strict tables know INTEGER and TEXT only; PostgreSQL's text must sort by code point too.
Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _table(name: str, *parts: sa.schema.SchemaItem, rowid: bool = True) -> sa.Table:
    return sa.Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=rowid)


def _key(*, foreign: str | None = None, name: str = "key") -> sa.Column[int]:
    if foreign:
        return sa.Column(name, Int, sa.ForeignKey(foreign), nullable=False)
    return sa.Column(name, Int, primary_key=True, autoincrement=False)


def _int(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[int]:
    return sa.Column(name, Int, nullable=null, server_default=default)


def _text(name: str, *, null: bool = False, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, Text, nullable=null, server_default=default)


# One row. `revision` counts changes to the catalogue: what a process holds in memory is current
# while it agrees, and new rows of the catalogue take it as their key.
ledger = _table(
    "ledger",
    _key(),
    _text("id"),
    _text("base_currency"),
    _int("revision"),
    _int("created_at"),
)

providers = _table(
    "providers",
    _key(),
    _text("id"),
    _text("name"),
    _text("currency"),
    _text("timezone"),
    _text("base_url", null=True),
    _text("note", null=True),
    _int("recorded_at"),
    sa.UniqueConstraint("id"),
)

accounts = _table(
    "accounts",
    _key(),
    _key(foreign="providers.key", name="provider_key"),
    _text("id"),
    _int("recorded_at"),
    sa.UniqueConstraint("provider_key", "id"),
)

models = _table(
    "models",
    _key(),
    _key(foreign="providers.key", name="provider_key"),
    _text("id"),
    _text("identity"),
    _text("groups"),
    _text("aliases"),
    _int("context_window", null=True),
    _int("max_output_tokens", null=True),
    _int("available_from", null=True),
    _int("available_until", null=True),
    _text("availability", null=True),
    _text("note", null=True),
    _int("recorded_at"),
    sa.UniqueConstraint("provider_key", "identity"),
)

prices = _table(
    "prices",
    sa.Column("model_key", Int, sa.ForeignKey("models.key"), primary_key=True, autoincrement=False),
    sa.Column("valid_from", Int, primary_key=True, autoincrement=False),
    sa.Column("above_input_tokens", Int, primary_key=True, autoincrement=False),
    _int("input"),
    _int("output"),
    _int("cached_input", null=True),
    _text("currency"),
    _text("source", null=True),
    _text("checked_on", null=True),
    _text("confidence", null=True),
    _text("note", null=True),
    _int("recorded_at"),
)

rates = _table(
    "rates",
    sa.Column("base", Text, primary_key=True),
    sa.Column("quote", Text, primary_key=True),
    sa.Column("valid_from", Int, primary_key=True, autoincrement=False),
    _int("rate_nano"),
    _text("source", null=True),
    _int("recorded_at"),
)

catalogues = _table(
    "catalogues",
    sa.Column("name", Text, primary_key=True),
    sa.Column("version", Int, primary_key=True, autoincrement=False),
    _int("recorded_at"),
)

# Grants of one account that share unit, scope and priority.
pools = _table(
    "pools",
    _key(),
    _key(foreign="accounts.key", name="account_key"),
    _text("unit"),
    _text("models"),
    _int("priority"),
    _int("breadth"),
    sa.UniqueConstraint("account_key", "unit", "models", "priority"),
)

# Recurring grants: their windows are grants, recorded when they are first drawn on.
series = _table(
    "series",
    _key(),
    _text("id"),
    _key(foreign="pools.key", name="pool_key"),
    _text("every"),
    _int("amount"),
    _int("starts_at"),
    _int("expires_at"),
    _int("ends_known"),
    _int("voided_at", null=True),
    _text("when_used_up"),
    _text("source", null=True),
    _text("note", null=True),
    _int("recorded_at"),
    sa.UniqueConstraint("id"),
)

# The buckets are kept beside the journal so that a balance is read without it; `entries` numbers
# the grant's journal rows. A grant that never expires ends at the largest instant, so that order
# and comparison need no special case.
grants = _table(
    "grants",
    _key(),
    _text("id"),
    _key(foreign="pools.key", name="pool_key"),
    sa.Column("series_key", Int, sa.ForeignKey("series.key"), nullable=True),
    _int("amount"),
    _int("available"),
    _int("held"),
    _int("spent"),
    _int("written_off"),
    _int("entries"),
    _int("starts_at"),
    _int("expires_at"),
    _int("ends_known"),
    _int("voided_at", null=True),
    _text("when_used_up"),
    _text("template", null=True),
    _text("source", null=True),
    _text("note", null=True),
    _int("recorded_at"),
    sa.UniqueConstraint("id"),
    sa.CheckConstraint(
        "available >= 0 AND held >= 0 AND spent >= 0 AND written_off >= 0", name="buckets"
    ),
    sa.CheckConstraint("amount = available + held + spent + written_off", name="conserved"),
)
sa.Index(
    "ix_grants_credit",
    grants.c.pool_key,
    grants.c.expires_at,
    grants.c.starts_at,
    grants.c.id,
    sqlite_where=sa.text("available > 0"),
    postgresql_where=sa.text("available > 0"),
)
sa.Index("ix_grants_series_key", grants.c.series_key, grants.c.starts_at)

journal = _table(
    "journal",
    sa.Column("grant_key", Int, sa.ForeignKey("grants.key"), primary_key=True, autoincrement=False),
    sa.Column("entry", Int, primary_key=True, autoincrement=False),
    _text("kind"),
    _int("source"),
    _int("target"),
    _int("amount"),
    _int("tokens"),
    _int("call_id", null=True),
    _int("occurred_at"),
    _int("recorded_at"),
    _text("reason", null=True),
    sa.CheckConstraint("amount > 0", name="amount"),
    rowid=False,
)
sa.Index(
    "ix_journal_call_id",
    journal.c.call_id,
    sqlite_where=sa.text("call_id IS NOT NULL"),
    postgresql_where=sa.text("call_id IS NOT NULL"),
)

reservations = _table(
    "reservations",
    _key(name="id"),
    _text("state"),
    _key(foreign="accounts.key", name="account_key"),
    _key(foreign="models.key", name="model_key"),
    _int("at"),
    _int("expires_at"),
    _int("lapses_at"),
    _int("closed_at", null=True),
    _int("input_tokens"),
    _int("max_output_tokens"),
    _text("policy"),
    _text("request_id", null=True),
    _text("project", null=True),
    _text("user_id", null=True),
    _text("tags", null=True),
    _int("recorded_at"),
)
sa.Index(
    "ix_reservations_open",
    reservations.c.expires_at,
    sqlite_where=sa.text("state = 'held'"),
    postgresql_where=sa.text("state = 'held'"),
)

# The first answer to a request, for when it is repeated.
requests = _table(
    "requests",
    sa.Column("request_id", Text, primary_key=True),
    _text("body"),
    _text("answer"),
    _int("recorded_at"),
    rowid=False,
)

usage = _table(
    "usage",
    _key(name="id"),
    _text("source"),
    _text("request_id", null=True),
    _key(foreign="accounts.key", name="account_key"),
    _key(foreign="models.key", name="model_key"),
    _int("at"),
    _int("uncached_tokens"),
    _int("cached_tokens"),
    _int("output_tokens"),
    _int("reasoning_tokens"),
    _int("overage_tokens"),
    _text("currency", null=True),
    _int("list_nano", null=True),
    _int("cash_nano", null=True),
    _text("project", null=True),
    _text("user_id", null=True),
    _text("tags", null=True),
    _int("voided_at", null=True),
    _int("recorded_at"),
)
sa.Index(
    "ix_usage_request",
    usage.c.source,
    usage.c.request_id,
    unique=True,
    sqlite_where=sa.text("request_id IS NOT NULL"),
    postgresql_where=sa.text("request_id IS NOT NULL"),
)

# Hourly sums of usage, kept in the transaction that records it. Empty text stands for none, so
# that rows can be found by key. `unpriced` counts calls whose list cost is unknown.
rollups = _table(
    "rollups",
    sa.Column("hour", Int, primary_key=True, autoincrement=False),
    sa.Column("account_key", Int, sa.ForeignKey("accounts.key"), primary_key=True),
    sa.Column("model_key", Int, sa.ForeignKey("models.key"), primary_key=True),
    sa.Column("project", Text, primary_key=True),
    sa.Column("currency", Text, primary_key=True),
    _int("calls"),
    _int("uncached_tokens"),
    _int("cached_tokens"),
    _int("output_tokens"),
    _int("reasoning_tokens"),
    _int("overage_tokens"),
    _int("list_nano"),
    _int("cash_nano"),
    _int("unpriced"),
    rowid=False,
)

templates = _table(
    "templates",
    sa.Column("id", Text, primary_key=True),
    _text("catalogue"),
    _text("body"),
    _int("recorded_at"),
)
