"""The floor: FastAPI as its tutorial writes it, doing the same comparison on the same bodies, and trivial sessions.

Owns: a server to hold the others against, in the same run. Does not own: any measurement.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
sessions: dict[str, int] = {}


class Step(BaseModel):
    """A step's body."""

    action: dict[str, Any]


@app.post("/verify")
async def verify(body: dict[str, Any]) -> dict[str, Any]:
    """Score by equal names and arguments; the answer is the body with a reward, as NeMo Gym's is."""
    expected, given = body["expected_action"], body["response"]["output"][0]
    same = expected["name"] == given["name"] and json.loads(expected["arguments"]) == json.loads(given["arguments"])
    return {**body, "reward": float(same)}


def body(size: int) -> str:
    """A body of `/verify` of about that many bytes."""
    call = {"name": "forecast", "arguments": '{"city": "Rome", "days": 2}'}
    rest = {"expected_action": call, "response": {"output": [call]}}
    return json.dumps({**rest, "input": "pad " * max((size - len(json.dumps(rest))) // 4, 0)})


@app.post("/sessions")
async def create(body: dict[str, Any]) -> dict[str, Any]:
    session_id = secrets.token_hex(16)
    sessions[session_id] = 0
    return {"session_id": session_id, "observation": "Go.", "info": {}}


@app.post("/sessions/{session_id}/step")
async def step(session_id: str, body: Step) -> dict[str, Any]:
    sessions[session_id] += 1
    return {"observation": json.dumps(body.action), "reward": 0.0, "terminated": False, "truncated": False, "info": {}}


@app.delete("/sessions/{session_id}")
async def close(session_id: str) -> dict[str, Any]:
    sessions.pop(session_id)
    return {"closed": True}


@contextmanager
def running() -> Iterator[tuple[str, int]]:
    """The server in a process of its own: its URL and process id."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, __file__, str(port)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url)
        yield url, child.pid
    finally:
        child.terminate()
        child.wait()


def _wait(url: str) -> None:
    opener, ends = build_opener(ProxyHandler({})), time.monotonic() + 120
    while True:
        try:
            opener.open(url + "/openapi.json", timeout=5).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
