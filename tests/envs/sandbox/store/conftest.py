import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# The random file operations are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

Laboratory = Callable[..., dict[str, Any]]
SCRIPT = Path(__file__).with_name("overlay_laboratory.py")


@pytest.fixture(scope="session")
def laboratory() -> Iterator[Laboratory]:
    """Ask a process that may mount overlays: `laboratory(layers=[...], merge=None)`."""
    private = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Ur", "-m"]
    if shutil.which("unshare") is None or subprocess.run([*private, "true"], capture_output=True).returncode:
        pytest.skip("this machine has no mount namespaces for us")
    helper = subprocess.Popen(
        [*private, sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert helper.stdin is not None
    assert helper.stdout is not None

    def ask(**request: Any) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"root": folder, **request}), file=helper.stdin, flush=True)
            answer = helper.stdout.readline()
            assert answer, "the laboratory went down: see its trace above"
            return dict(json.loads(answer))

    yield ask
    helper.stdin.close()
    helper.wait(20)
