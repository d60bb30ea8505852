"""What survives a crash: SQL in named functions, one module per family of tables, personal data sealed.

Each function takes a `Transaction` first and is run through `Database.write` or `Database.read`; none of them
knows the network or the clock. Nothing outside this package speaks SQL.
"""
