"""The command line `pivotgym`.

Owns: the table of commands and the exit codes. Does not own: what commands do (the modules beside this one).

Exit codes: 0 done; 1 `check` found a fault; 2 wrong usage; 3 bad input (mend it and run again); 4 a failure of ours or
of a server (run the same command again: it goes on where it stopped); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from pivotgym.cli import data, demo, run, serving
from pivotgym.cli.bench import bench
from pivotgym.cli.check import check
from pivotgym.cli.corpus import corpus
from pivotgym.cli.gateway import gateway
from pivotgym.cli.new import new
from pivotgym.cli.policy import policy
from pivotgym.cli.snapshots import snapshots
from pivotgym.cli.tasks import tasks
from pivotgym.cli.ui import complain
from pivotgym.core.errors import InfrastructureError, PivotGymError
from pivotgym.servers import logs

app = typer.Typer(
    name="pivotgym",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "From expert trajectories to a better policy: extract -> profile -> filter -> sft -> train -> evaluate -> "
        "report. Each command reads and writes JSON Lines, can be stopped and run again, and saves its resolved "
        "configuration beside its output. `pivotgym demo` does all of it on real input."
    ),
)


class LogFormat(StrEnum):
    """How commands tell what they do."""

    text = "text"
    json = "json"


@app.callback()
def common(
    log_format: Annotated[
        LogFormat, typer.Option(envvar=logs.FORMAT, help="`json`: one JSON object a line, for servers' logs.")
    ] = LogFormat.text,
) -> None:
    """Set what all commands share."""
    os.environ[logs.FORMAT] = log_format.value  # also for the processes that commands start
    logs.configure()


for command in (
    serving.serve,
    gateway,
    policy,
    check,
    new,
    data.fetch,
    data.extract,
    data.convert,
    run.profile,
    data.filter_,
    run.sft,
    run.train,
    run.evaluate,
    data.report,
    serving.verify,
    demo.demo,
    data.config,
):
    app.command(name=command.__name__.rstrip("_"))(command)
app.add_typer(bench, name="bench")
app.add_typer(corpus, name="corpus")
app.add_typer(snapshots, name="snapshots")
app.add_typer(tasks, name="tasks")


def run_app(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except PivotGymError as error:
        complain(error.message, error.hint)
        return 4 if isinstance(error, InfrastructureError) else 3
    except typer.Exit as exit_:
        return exit_.exit_code
    except ModuleNotFoundError as error:
        if (error.name or "pivotgym").startswith("pivotgym"):
            raise
        complain(f"the package {error.name!r} is not installed", "pip install 'pivotgym[all]' (see the README)")
        return 3
    except (KeyboardInterrupt, typer.Abort):
        complain("interrupted", "run the same command again: it goes on where it stopped")
        return 130
    except Exception as error:
        # Click's usage errors print themselves and know their code; anything else is a fault of ours: keep its trace.
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        return int(getattr(error, "exit_code", 2))
    return int(code or 0)


def console() -> None:
    """Entry point of the console script."""
    sys.exit(run_app())
