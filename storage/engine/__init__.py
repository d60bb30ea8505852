"""The database engine: connections, the one writer, sealing, migrations, backups. It knows no table of checks."""
