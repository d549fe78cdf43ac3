"""For tests that need a container engine with the base image; skipped, with the reason, where there is none."""

from collections.abc import Iterator

import pytest

from pivotgym.core.errors import NotFound
from pivotgym.envs.sandbox.docker import DockerBackend, engine, images

IMAGE = "python:3.11-slim-bookworm"


@pytest.fixture(scope="module")
def docker_backend() -> Iterator[DockerBackend]:
    """A backend over the engine of this machine."""
    lack = engine.missing()
    if lack is not None:
        pytest.skip(f"{lack.what}: {lack.command}")
    try:
        images.image_config(IMAGE)
    except NotFound:
        pytest.skip(f"the engine has no image {IMAGE}; `.ci/docker-engine start` makes one")
    backend = DockerBackend()
    yield backend
    backend.close()
