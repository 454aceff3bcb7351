"""The memory: engine, tables, migrations, repositories. Imports advisor and SQLAlchemy only."""
