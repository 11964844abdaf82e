"""What the groups of commands share: common arguments, the terminal, and the configuration of this process."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.console import Console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Products = Annotated[list[str] | None, typer.Argument(help="Products; none means all.", show_default=False)]
Product = Annotated[str, typer.Argument(help="The product.", show_default=False)]


def console(*, stderr: bool = False) -> "Console":
    """A terminal for people, on standard output or standard error."""
    from rich.console import Console  # a rollback prints plain text, and must not wait for it

    return Console(stderr=stderr, emoji=False)  # a person's `:red_circle:` stays text


def settings_of_home() -> Settings:
    """Read this process's configuration, and quieten what only distracts at a terminal.

    Raises: ConfigurationError naming the variable that is wrong.
    """
    let_waiting_threads_sleep()
    # Dagster warns of a beta parameter that it passes to itself whenever a sensor has a job.
    warnings.filterwarnings("ignore", message="Parameter `owners` of initializer `SensorDefinition")
    return load_settings(os.environ, working_directory=Path.cwd())
