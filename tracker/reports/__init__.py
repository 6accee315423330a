"""Reports: what was used, what credit saved, what is forfeited. One function each.

They read the ledger's tables and decide nothing; what they return is written by whoever asked.
"""
