"""The process behind `BackgroundServer`, and each of several workers.

It reads its task from standard input, serves, and ends when standard input ends.

Owns: the child's side of that. Does not own: serving (`serve`).
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pivotgym.core.errors import PivotGymError
from pivotgym.servers import logs
from pivotgym.servers.binding import bind, bind_file, url_of
from pivotgym.servers.serve import make_server
from pivotgym.servers.settings import Settings

if TYPE_CHECKING:
    from pivotgym.servers.peers import Place

GRACE_S = 10.0


def main() -> None:
    """Serve until the parent closes the pipe or dies."""
    # The parent reads one line of this and no more: whatever else prints (the access log, a domain) goes to the log.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logs.configure()
    task = json.loads(sys.stdin.readline())
    try:
        settings = Settings.load(task["settings"])
        place = _place(task["place"])
        bound = bind(settings, shared=place is not None)
        own = [bind_file(place.socket(place.index))] if place is not None else []
        server = make_server(task["domain"], [Path(path) for path in task["pivots"]], settings, place)
    except PivotGymError as error:
        _tell(answers, error.to_wire())
        return

    def stop_with_parent() -> None:
        sys.stdin.read()
        server.should_exit = True
        # A world that hangs keeps its thread, and with it the process, alive: nothing may outlive the parent.
        leave = threading.Timer(GRACE_S, os._exit, (1,))
        leave.daemon = True
        leave.start()

    threading.Thread(target=stop_with_parent, daemon=True).start()
    _tell(answers, {"url": url_of(bound)})
    with bound:
        server.run(sockets=[bound, *own])


def _place(sent: Any) -> Place | None:
    if sent is None:
        return None
    from pivotgym.servers.peers import Place

    index, count, folder = sent
    return Place(index, count, Path(folder))


def _tell(answers: IO[str], line: dict[str, object]) -> None:
    print(json.dumps(line), file=answers, flush=True)


if __name__ == "__main__":
    main()
