"""An image of a container engine as the start."""

import json

import pytest
from docker_engine import IMAGE, docker_backend  # noqa: F401 - a fixture

from pivotgym.core.messages import Action, ToolCall
from pivotgym.core.trajectory import Origin
from pivotgym.envs.base import sources


@pytest.mark.slow
def test_commands_run_in_the_images_folder_with_its_variables(swe, docker_backend, tmp_path):  # noqa: F811
    (tmp_path / "images.json").write_text(json.dumps({"py": IMAGE}))
    sources.configure({"images": tmp_path / "images.json"})
    world = swe.world()
    try:
        world.start(Origin.model_validate({"kind": "image", "image": "py", "workdir": "/srv"}), 0)
        call = ToolCall(name="bash", arguments={"command": "pwd; command -v python; echo x > a"})
        effects = world.run(Action(tool_calls=(call,)))
    finally:
        world.close()
        sources.forget("images")
    assert effects.observations[0].startswith("/srv\n/usr/")
    assert list(effects.detail["files"]) == ["/srv/a"]
