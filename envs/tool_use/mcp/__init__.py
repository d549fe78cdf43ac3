"""Tools of MCP servers as a toolkit of `tool_use`.

    folders   ServerFolder: a server and what it starts from, in the source `mcp`
    exchange  one request to a server over its standard input and output, in a sandbox
    toolkit   McpToolkit: origins `{"kind": "mcp", "server": NAME}`
    tasks     tasks on them, as files beside the folders

Each call runs the server anew in a sandbox, without a network, over the files that earlier calls left in its folder. So
a state is its folder: it is restored, forked and compared as files are. What a server keeps in memory is gone after the
call; a trajectory that was recorded with a server that lived on in memory does not replay, and its pivots are refused.
"""
