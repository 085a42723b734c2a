"""The command ``noisewatch``: one file per person, errors become one line and an exit code here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from noisewatch import __version__
from noisewatch.errors import NoisewatchError

#: One file per person; each has ``register(app)``. The order is the order of the help.
PERSONS = (
    "newcomer",
    "installer",
    "install",
    "devices",
    "site",
    "calibrate",
    "simulate",
    "analyst",
    "signatures",
    "corpus",
    "models",
    "street",
    "officer",
    "custodian",
    "data_protection",
    "privacy",
)


def build_app() -> typer.Typer:
    """Return the whole command tree. Nothing heavy is imported here: help must come at once."""
    app = typer.Typer(
        name="noisewatch",
        help="A roadside sensor against exhaust noise. Try: noisewatch demo",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and leave."),
    ) -> None:
        if version:
            print(f"noisewatch {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            print(context.get_help())
            raise typer.Exit

    for person in PERSONS:
        importlib.import_module(f"noisewatch.cli.{person}").register(app)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a NoisewatchError becomes one line on standard error and its exit code."""
    try:
        build_app()(args=arguments)
    except NoisewatchError as error:
        print(f"noisewatch: {error.line()}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # the reader of our output went away (for example `| head`): nothing is left to say to it
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
