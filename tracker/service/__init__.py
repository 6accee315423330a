"""Use-cases: open a transaction, read, decide purely, append, commit."""
