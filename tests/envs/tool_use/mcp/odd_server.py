"""An MCP server that does what servers should not, by the name of the tool."""

import json
import os
import sys

counted = 0


def tell(request, **said):
    print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}), flush=True)


def result(name):
    global counted
    counted += 1
    text = {
        "count": str(counted),
        "folders": " ".join(sorted(os.listdir("/srv"))),
        "variable": os.environ.get("COLOR", "none"),
        "big": "x" * 1_100_000,
    }.get(name, "")
    if name == "picture":
        return {
            "content": [{"type": "text", "text": "a dot"}, {"type": "image", "data": "AA==", "mimeType": "image/png"}]
        }
    if name == "values":
        return {"content": [], "structuredContent": {"b": 1, "a": [2]}}
    return {"content": [{"type": "text", "text": text}]}


print("starting up, which is no JSON", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    name = request.get("params", {}).get("name")
    if request["method"] == "initialize":
        tell(request, result={"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "odd"}})
    elif request["method"] == "tools/list":
        page = int(request["params"].get("cursor", 0))
        more = {"nextCursor": "1"} if page == 0 else {}
        tell(request, result={"tools": [{"name": f"page_{page}"}], **more})
    elif name == "die":
        sys.exit("it died")
    elif name == "hang":
        while True:
            sys.stdin.read(1)
    elif name == "refuse":
        tell(request, error={"code": -32602, "message": "not like this"})
    elif name is not None:
        if name == "count":
            note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"id": request["id"]}}
            print(json.dumps(note), flush=True)
        tell(request, result=result(name))
