#!/usr/bin/env bash
# Verdicts with nothing but curl. URL is the server's address; a server with a token wants -H "Authorization: Bearer TOKEN".
set -euo pipefail
URL=${PIVOTGYM_URL:-http://127.0.0.1:8000}
post() { curl --silent --show-error --fail-with-body --json @- "$URL$1"; echo; }

# One action as an assistant message.
post /verify <<'JSON'
{"pivot_id": "almanac/larger-0:0",
 "action": {"tool_calls": [{"name": "search", "arguments": {"query": ["inhabitants of Barhythe"]}}]}}
JSON

# One action as the text that a policy wrote.
post /verify <<'JSON'
{"pivot_id": "almanac/larger-0:0",
 "action": {"format": "hermes",
            "text": "<tool_call>{\"name\": \"search\", \"arguments\": {\"query\": [\"a lighthouse\"]}}</tool_call>"}}
JSON

# Many at once; one that cannot be scored has an error in its place.
post /verify/batch <<'JSON'
{"items": [
  {"pivot_id": "almanac/larger-0:0",
   "actions": [{"tool_calls": [{"name": "search", "arguments": {"query": ["Barhythe: inhabitants?"]}}]},
               {"content": "I do not know."}]},
  {"pivot_id": "no/such:0", "actions": [{"content": "x"}]}]}
JSON
