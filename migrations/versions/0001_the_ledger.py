"""The ledger: catalogue, grants with their journal, reservations, usage and its hourly sums.

Revision 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("name", Text, nullable=False),
        sa.Column("version", Int, autoincrement=False, nullable=False),
        sa.Column("recorded_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_catalogues")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "ledger",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("base_currency", Text, nullable=False),
        sa.Column("revision", Int, nullable=False),
        sa.Column("created_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "providers",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("currency", Text, nullable=False),
        sa.Column("timezone", Text, nullable=False),
        sa.Column("base_url", Text, nullable=True),
        sa.Column("note", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_providers")),
        sa.UniqueConstraint("id", name=op.f("uq_providers_id")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "rates",
        sa.Column("base", Text, nullable=False),
        sa.Column("quote", Text, nullable=False),
        sa.Column("valid_from", Int, autoincrement=False, nullable=False),
        sa.Column("rate_nano", Int, nullable=False),
        sa.Column("source", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("base", "quote", "valid_from", name=op.f("pk_rates")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "requests",
        sa.Column("request_id", Text, nullable=False),
        sa.Column("body", Text, nullable=False),
        sa.Column("answer", Text, nullable=False),
        sa.Column("recorded_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_requests")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "templates",
        sa.Column("id", Text, nullable=False),
        sa.Column("catalogue", Text, nullable=False),
        sa.Column("body", Text, nullable=False),
        sa.Column("recorded_at", Int, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_templates")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "accounts",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("provider_key", Int, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_key"], ["providers.key"], name=op.f("fk_accounts_provider_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_accounts")),
        sa.UniqueConstraint("provider_key", "id", name=op.f("uq_accounts_provider_key_id")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "models",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("provider_key", Int, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("identity", Text, nullable=False),
        sa.Column("groups", Text, nullable=False),
        sa.Column("aliases", Text, nullable=False),
        sa.Column("context_window", Int, nullable=True),
        sa.Column("max_output_tokens", Int, nullable=True),
        sa.Column("available_from", Int, nullable=True),
        sa.Column("available_until", Int, nullable=True),
        sa.Column("availability", Text, nullable=True),
        sa.Column("note", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_key"], ["providers.key"], name=op.f("fk_models_provider_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_models")),
        sa.UniqueConstraint(
            "provider_key", "identity", name=op.f("uq_models_provider_key_identity")
        ),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "pools",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("account_key", Int, nullable=False),
        sa.Column("unit", Text, nullable=False),
        sa.Column("models", Text, nullable=False),
        sa.Column("priority", Int, nullable=False),
        sa.Column("breadth", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"], ["accounts.key"], name=op.f("fk_pools_account_key")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_pools")),
        sa.UniqueConstraint(
            "account_key",
            "unit",
            "models",
            "priority",
            name=op.f("uq_pools_account_key_unit_models_priority"),
        ),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "prices",
        sa.Column("model_key", Int, autoincrement=False, nullable=False),
        sa.Column("valid_from", Int, autoincrement=False, nullable=False),
        sa.Column("above_input_tokens", Int, autoincrement=False, nullable=False),
        sa.Column("input", Int, nullable=False),
        sa.Column("output", Int, nullable=False),
        sa.Column("cached_input", Int, nullable=True),
        sa.Column("currency", Text, nullable=False),
        sa.Column("source", Text, nullable=True),
        sa.Column("checked_on", Text, nullable=True),
        sa.Column("confidence", Text, nullable=True),
        sa.Column("note", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(["model_key"], ["models.key"], name=op.f("fk_prices_model_key")),
        sa.PrimaryKeyConstraint(
            "model_key", "valid_from", "above_input_tokens", name=op.f("pk_prices")
        ),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "reservations",
        sa.Column("id", Int, autoincrement=False, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("account_key", Int, nullable=False),
        sa.Column("model_key", Int, nullable=False),
        sa.Column("at", Int, nullable=False),
        sa.Column("expires_at", Int, nullable=False),
        sa.Column("lapses_at", Int, nullable=False),
        sa.Column("closed_at", Int, nullable=True),
        sa.Column("input_tokens", Int, nullable=False),
        sa.Column("max_output_tokens", Int, nullable=False),
        sa.Column("policy", Text, nullable=False),
        sa.Column("request_id", Text, nullable=True),
        sa.Column("project", Text, nullable=True),
        sa.Column("user_id", Text, nullable=True),
        sa.Column("tags", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"], ["accounts.key"], name=op.f("fk_reservations_account_key")
        ),
        sa.ForeignKeyConstraint(
            ["model_key"], ["models.key"], name=op.f("fk_reservations_model_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index(
        "ix_reservations_open",
        "reservations",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "rollups",
        sa.Column("hour", Int, autoincrement=False, nullable=False),
        sa.Column("account_key", Int, nullable=False),
        sa.Column("model_key", Int, nullable=False),
        sa.Column("project", Text, nullable=False),
        sa.Column("currency", Text, nullable=False),
        sa.Column("calls", Int, nullable=False),
        sa.Column("uncached_tokens", Int, nullable=False),
        sa.Column("cached_tokens", Int, nullable=False),
        sa.Column("output_tokens", Int, nullable=False),
        sa.Column("reasoning_tokens", Int, nullable=False),
        sa.Column("overage_tokens", Int, nullable=False),
        sa.Column("list_nano", Int, nullable=False),
        sa.Column("cash_nano", Int, nullable=False),
        sa.Column("unpriced", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"], ["accounts.key"], name=op.f("fk_rollups_account_key")
        ),
        sa.ForeignKeyConstraint(["model_key"], ["models.key"], name=op.f("fk_rollups_model_key")),
        sa.PrimaryKeyConstraint(
            "hour", "account_key", "model_key", "project", "currency", name=op.f("pk_rollups")
        ),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage",
        sa.Column("id", Int, autoincrement=False, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("request_id", Text, nullable=True),
        sa.Column("account_key", Int, nullable=False),
        sa.Column("model_key", Int, nullable=False),
        sa.Column("at", Int, nullable=False),
        sa.Column("uncached_tokens", Int, nullable=False),
        sa.Column("cached_tokens", Int, nullable=False),
        sa.Column("output_tokens", Int, nullable=False),
        sa.Column("reasoning_tokens", Int, nullable=False),
        sa.Column("overage_tokens", Int, nullable=False),
        sa.Column("currency", Text, nullable=True),
        sa.Column("list_nano", Int, nullable=True),
        sa.Column("cash_nano", Int, nullable=True),
        sa.Column("project", Text, nullable=True),
        sa.Column("user_id", Text, nullable=True),
        sa.Column("tags", Text, nullable=True),
        sa.Column("voided_at", Int, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_key"], ["accounts.key"], name=op.f("fk_usage_account_key")
        ),
        sa.ForeignKeyConstraint(["model_key"], ["models.key"], name=op.f("fk_usage_model_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index(
        "ix_usage_request",
        "usage",
        ["source", "request_id"],
        unique=True,
        sqlite_where=sa.text("request_id IS NOT NULL"),
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "series",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("pool_key", Int, nullable=False),
        sa.Column("every", Text, nullable=False),
        sa.Column("amount", Int, nullable=False),
        sa.Column("starts_at", Int, nullable=False),
        sa.Column("expires_at", Int, nullable=False),
        sa.Column("ends_known", Int, nullable=False),
        sa.Column("voided_at", Int, nullable=True),
        sa.Column("when_used_up", Text, nullable=False),
        sa.Column("source", Text, nullable=True),
        sa.Column("note", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.ForeignKeyConstraint(["pool_key"], ["pools.key"], name=op.f("fk_series_pool_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_series")),
        sa.UniqueConstraint("id", name=op.f("uq_series_id")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_table(
        "grants",
        sa.Column("key", Int, autoincrement=False, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("pool_key", Int, nullable=False),
        sa.Column("series_key", Int, nullable=True),
        sa.Column("amount", Int, nullable=False),
        sa.Column("available", Int, nullable=False),
        sa.Column("held", Int, nullable=False),
        sa.Column("spent", Int, nullable=False),
        sa.Column("written_off", Int, nullable=False),
        sa.Column("entries", Int, nullable=False),
        sa.Column("starts_at", Int, nullable=False),
        sa.Column("expires_at", Int, nullable=False),
        sa.Column("ends_known", Int, nullable=False),
        sa.Column("voided_at", Int, nullable=True),
        sa.Column("when_used_up", Text, nullable=False),
        sa.Column("template", Text, nullable=True),
        sa.Column("source", Text, nullable=True),
        sa.Column("note", Text, nullable=True),
        sa.Column("recorded_at", Int, nullable=False),
        sa.CheckConstraint(
            "amount = available + held + spent + written_off", name=op.f("ck_grants_conserved")
        ),
        sa.CheckConstraint(
            "available >= 0 AND held >= 0 AND spent >= 0 AND written_off >= 0",
            name=op.f("ck_grants_buckets"),
        ),
        sa.ForeignKeyConstraint(["pool_key"], ["pools.key"], name=op.f("fk_grants_pool_key")),
        sa.ForeignKeyConstraint(["series_key"], ["series.key"], name=op.f("fk_grants_series_key")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_grants")),
        sa.UniqueConstraint("id", name=op.f("uq_grants_id")),
        sqlite_strict=True,
        sqlite_with_rowid=True,
    )
    op.create_index(
        "ix_grants_credit",
        "grants",
        ["pool_key", "expires_at", "starts_at", "id"],
        unique=False,
        sqlite_where=sa.text("available > 0"),
        postgresql_where=sa.text("available > 0"),
    )
    op.create_index("ix_grants_series_key", "grants", ["series_key", "starts_at"], unique=False)
    op.create_table(
        "journal",
        sa.Column("grant_key", Int, autoincrement=False, nullable=False),
        sa.Column("entry", Int, autoincrement=False, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("source", Int, nullable=False),
        sa.Column("target", Int, nullable=False),
        sa.Column("amount", Int, nullable=False),
        sa.Column("tokens", Int, nullable=False),
        sa.Column("call_id", Int, nullable=True),
        sa.Column("occurred_at", Int, nullable=False),
        sa.Column("recorded_at", Int, nullable=False),
        sa.Column("reason", Text, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_journal_amount")),
        sa.ForeignKeyConstraint(["grant_key"], ["grants.key"], name=op.f("fk_journal_grant_key")),
        sa.PrimaryKeyConstraint("grant_key", "entry", name=op.f("pk_journal")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_journal_call_id",
        "journal",
        ["call_id"],
        unique=False,
        sqlite_where=sa.text("call_id IS NOT NULL"),
        postgresql_where=sa.text("call_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("journal")
    op.drop_table("grants")
    op.drop_table("series")
    op.drop_table("usage")
    op.drop_table("rollups")
    op.drop_table("reservations")
    op.drop_table("prices")
    op.drop_table("pools")
    op.drop_table("models")
    op.drop_table("accounts")
    op.drop_table("templates")
    op.drop_table("requests")
    op.drop_table("rates")
    op.drop_table("providers")
    op.drop_table("ledger")
    op.drop_table("catalogues")
