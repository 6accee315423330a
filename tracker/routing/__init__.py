"""Choosing an offer: pure functions of what the ledger says at an instant."""
