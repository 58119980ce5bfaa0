"""Operations: what a desk needs that is left alone: hourly sums of its ticks, and which reports were made."""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("decisions_order", "decisions", ["order_id"], sqlite_where=sa.text("order_id != ''"))
    op.create_index("decisions_tick", "decisions", ["tick"])
    op.create_index("signals_tick", "signals", ["tick"])
    op.create_table(
        "system_metrics",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("span_s", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("name", "label", "at"),
    )
    op.create_index("system_metrics_at", "system_metrics", ["at"])
    op.create_table(
        "project_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=True),
        sa.Column("until", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("html_file", sa.Text(), nullable=False),
        sa.Column("text_file", sa.Text(), nullable=False),
        sa.Column("json_file", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("project_reports_made", "project_reports", ["made_at"])


def downgrade() -> None:
    raise NotImplementedError("a ledger is never taken back to an older schema: restore a backup")
