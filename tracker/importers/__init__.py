"""Usage logs: one file per format, and the registry of those there are.

A format reads a stream and yields its lines one by one; it holds no more than one of them, opens no
ledger and decides nothing but whether a line can be read.
"""
