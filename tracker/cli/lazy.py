"""A command group that imports a command when it is called, and lists all without importing any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperGroup

from tracker.cli import exits, quick
from tracker.errors import TrackerError


class Entry(NamedTuple):
    """Where a command is: `module:name` is a function, or a Typer app for a group of commands."""

    place: str
    help: str


class Commands(MutableMapping[str, Any]):
    """Commands by name, each built when it is first asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = build(name, self.entries[name].place)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def build(name: str, place: str) -> Any:
    """Import a command and make it what the command line runs."""
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    for one in (command, *getattr(command, "commands", {}).values()):
        quick.prepare(one)
    return command


class LazyGroup(TyperGroup):
    """A group whose commands are `entries`. It turns every failure into a line and a code."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **settings: Any) -> None:
        settings.pop("commands", None)
        super().__init__(**settings)
        self.commands = Commands(self.entries)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.entries)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def main(self, *args: Any, standalone_mode: bool = True, **settings: Any) -> Any:
        """Run a command line and exit with its code."""
        code = self._run(args, settings)
        if not standalone_mode:
            return code
        raise SystemExit(code)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and see to it that what it printed has arrived."""
        import sys

        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(exits.INTERRUPTED) from None
        except BrokenPipeError:
            raise typer.Exit(exits.reader_gone()) from None
        except TrackerError as error:
            raise typer.Exit(exits.failed(error)) from None
        return result

    def _run(self, args: Sequence[Any], settings: dict[str, Any]) -> int:
        quick.prepare(self)
        try:
            settings["standalone_mode"] = False  # what goes wrong comes back to us
            code = super().main(*args, **settings)
        except (typer.Abort, KeyboardInterrupt):
            return exits.INTERRUPTED
        except BrokenPipeError:
            return exits.reader_gone()
        except Exception as error:
            message = getattr(error, "format_message", None)
            if message is None:
                return exits.defect(error)
            return _wrong_use(error, message())
        return code if isinstance(code, int) else 0


def _wrong_use(error: Any, message: str) -> int:
    """Tell what is wrong with a command line; a command that was given nothing shows its help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        hint = None if context is None else f'run "{context.command_path} --help"'
        exits.say(message.rstrip("."), hint)
    return int(getattr(error, "exit_code", exits.WRONG_USE))
