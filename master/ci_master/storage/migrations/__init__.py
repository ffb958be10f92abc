"""Alembic's home: one module per released change of the tables, never edited afterwards."""
