"""Random file operations, as the overlay laboratory does them."""

import os

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "ä \n", os.fsdecode(b"\xff")]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
WHAT = ["write", "append", "rewrite", "touch", "mkdir", "remove", "rename", "move", "symlink", "link", "fifo", "chmod"]
operations = st.tuples(st.sampled_from([*WHAT, "write", "mkdir", "remove", "socket"]), paths, paths)
