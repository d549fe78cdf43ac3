"""An MCP server over standard input and output: a list of tasks, kept in the file `tasks.json` beside it.

Plain Python, so that it runs wherever there is a `python3`. Equal lists are equal files: ids count up, and nothing
says when.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).with_name("tasks.json")


def load():
    """All tasks, by id."""
    return json.loads(FILE.read_text()) if FILE.exists() else []


def save(tasks):
    """Write them all."""
    FILE.write_text(json.dumps(tasks, indent=1) + "\n")


def add_task(title, due=None):
    """Add a task to the list."""
    tasks = load()
    task = {"id": 1 + max((one["id"] for one in tasks), default=0), "title": title, "due": due, "done": False}
    save([*tasks, task])
    return task


def complete_task(id):
    """Mark a task as done."""
    tasks = load()
    task = find(tasks, id)
    task["done"] = True
    save(tasks)
    return task


def remove_task(id):
    """Take a task off the list."""
    tasks = load()
    tasks.remove(find(tasks, id))
    save(tasks)
    return {"removed": id}


def list_tasks(open_only=False):
    """Tell all tasks, or those that are not done."""
    return [one for one in load() if not (open_only and one["done"])]


def find(tasks, id):
    """The task of an id."""
    for task in tasks:
        if task["id"] == id:
            return task
    raise ValueError(f"there is no task {id}; the ids are {[one['id'] for one in tasks]}")


ID = {"id": {"type": "integer", "description": "The task's id."}}
TITLE = {"title": {"type": "string"}, "due": {"type": "string", "description": "A date, YYYY-MM-DD."}}
OPEN = {"open_only": {"type": "boolean", "default": False}}
TOOLS = {
    "add_task": (add_task, TITLE, ["title"], False),
    "complete_task": (complete_task, ID, ["id"], False),
    "remove_task": (remove_task, ID, ["id"], False),
    "list_tasks": (list_tasks, OPEN, [], True),
}


def described(name):
    """A tool as `tools/list` tells it."""
    run, properties, required, reads = TOOLS[name]
    schema = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": run.__doc__, "inputSchema": schema, "annotations": {"readOnlyHint": reads}}


def call(name, arguments):
    """A tool's result; what it was asked wrongly is its text."""
    try:
        if name not in TOOLS:
            raise ValueError(f"there is no tool {name}")
        told, failed = json.dumps(TOOLS[name][0](**arguments)), False
    except (TypeError, ValueError) as error:
        told, failed = str(error), True
    return {"content": [{"type": "text", "text": told}], "isError": failed}


def answer(method, params):
    """The result of a request; `None` where there is no such method."""
    if method == "initialize":
        about = {"name": "todo", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": [described(name) for name in TOOLS]}
    if method == "tools/call":
        return call(params["name"], params.get("arguments") or {})
    return {} if method == "ping" else None


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    result = answer(request["method"], request.get("params") or {})
    unknown = {"code": -32601, "message": f"there is no method {request['method']}"}
    said = {"error": unknown} if result is None else {"result": result}
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}), flush=True)
