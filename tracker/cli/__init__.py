"""The command line: each command parses, calls one use-case and prints.

Start-up is part of the interface: a module here imports typer and its neighbours; whatever a
command needs beyond that is imported inside its body.
"""
