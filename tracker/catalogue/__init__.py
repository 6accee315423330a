"""Dated facts about providers: who they are, what they charge, which credit they give.

One TOML file per catalogue lies in `data/`; `loader` reads and checks it. To add a provider, a
price change or an offer of credit, edit that file and nothing else.
"""
