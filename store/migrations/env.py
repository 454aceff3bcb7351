"""Runs the migrations on the connection it is given, inside the transaction that is open there.

Tables that are not ours (the durable engine keeps its own) are neither compared nor touched.
"""

import sqlalchemy as sa
from alembic import context

from store.tables import Row


def is_ours(name: str | None, type_: str, _parents: object) -> bool:
    """Whether a name found in the database takes part in a comparison with our tables."""
    return type_ != "table" or name in Row.metadata.tables


connection: sa.Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Row.metadata,
    include_name=is_ours,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
