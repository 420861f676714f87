"""How Alembic runs: on the connection that database/migrate.py hands it, in that connection's transaction."""

from alembic import context

from wegewart_api.database.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
