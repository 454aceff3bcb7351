"""What benchmarks/service.py puts into a database, asks a server for, and compares it with."""
