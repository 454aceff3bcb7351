"""Alembic migrations, packaged so that the code can run them wherever it is installed."""
