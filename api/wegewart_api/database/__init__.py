"""The store: engine and transactions, tables, migrations, ids, and the cells of the neighbourhood search."""
