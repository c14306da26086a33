"""Alembic's entry: runs inside the transaction that `init_book` opened."""

from alembic import context

from opensma.book.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
