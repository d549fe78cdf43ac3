"""Two small tasks, one in each layout, written by the tests themselves; their images hold this machine's pytest."""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

IMAGE = "python:3.11-slim-bookworm"
PACKAGES = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")
DOCKERFILE = f"""FROM {IMAGE}
COPY site /usr/lib/python3/dist-packages/
RUN python3 -m compileall -q /usr/lib/python3/dist-packages
COPY names.txt /app/names.txt
WORKDIR /app
"""
TEST = """
from pathlib import Path

def test_is_sorted():
    names = Path("/app/names.txt").read_text().split()
    assert Path("/app/sorted.txt").read_text().split() == sorted(names)

def test_names_are_untouched():
    assert Path("/app/names.txt").read_text() == "cara\\nada\\nbob\\n"
"""
SCRIPT = """#!/bin/bash
if python3 -m pytest -p no:cacheprovider /tests/test_state.py -rA; then
  echo 1 > /logs/verifier/reward.txt
else
  echo 0 > /logs/verifier/reward.txt
fi
"""
SOLUTION = "#!/bin/bash\nset -e\nsort /app/names.txt > /app/sorted.txt\n"
TOML = """version = "1.0"
[metadata]
difficulty = "easy"
[verifier]
timeout_sec = 60.0
[agent]
timeout_sec = 120.0
[environment]
memory = "512M"
storage_mb = 256
allow_internet = false
"""
YAML = """instruction: |
  Sort the names in names.txt into sorted.txt.
difficulty: easy
parser_name: pytest
max_agent_timeout_sec: 120.0
max_test_timeout_sec: 60.0
"""
COMPOSE = """services:
  client:
    build:
      dockerfile: Dockerfile
    image: ${T_BENCH_TASK_DOCKER_CLIENT_IMAGE_NAME}
    command: ["sh", "-c", "sleep infinity"]
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files of a task."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def context(folder: Path) -> None:
    """What the Dockerfile copies in."""
    write(folder, {"Dockerfile": DOCKERFILE, "names.txt": "cara\nada\nbob\n"})
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        origin, place = Path(found.origin), folder / "site"
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(origin, place)
    for name in ("pytest", "pluggy"):
        metadata = (
            next(path for path in importlib.metadata.files(name) or () if path.name == "METADATA").locate().parent
        )
        shutil.copytree(metadata, folder / "site" / metadata.name)


def harbor_files() -> dict[str, str]:
    """A task in Harbor's layout, without its image."""
    return {
        "task.toml": TOML,
        "instruction.md": "<!-- canary 1234 -->\nSort the names in names.txt into sorted.txt.\n",
        "environment/Dockerfile": DOCKERFILE,
        "tests/test.sh": SCRIPT,
        "tests/test_state.py": TEST,
        "solution/solve.sh": SOLUTION,
    }


def terminal_bench_files() -> dict[str, str]:
    """The same task in Terminal-Bench's first layout, without its image."""
    return {
        "task.yaml": YAML,
        "docker-compose.yaml": COMPOSE,
        "Dockerfile": DOCKERFILE,
        "run-tests.sh": "#!/bin/bash\npython3 -m pytest -p no:cacheprovider $TEST_DIR/test_outputs.py -rA\n",
        "tests/test_outputs.py": TEST,
        "solution.sh": SOLUTION,
    }


def write_tasks(place: Path) -> Path:
    """Both tasks with all they need to be built."""
    context(write(place / "sort-harbor", harbor_files()) / "environment")
    context(write(place / "sort-bench", terminal_bench_files()))
    return place
