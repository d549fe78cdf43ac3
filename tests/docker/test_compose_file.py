"""What `compose.yml` promises of every service; read as a file, without an engine."""

import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text())
SERVICES = COMPOSE["services"]
SANDBOXES = {"terminal", "swe"}
ENVIRONMENTS = {"tool-use", "terminal", "swe", "browsing"}
OURS = sorted({build["dockerfile"] for service in SERVICES.values() if (build := service.get("build"))})

each = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@each
def test_service_is_limited_in_memory_and_processes(service):
    assert service["mem_limit"]
    assert service["pids_limit"] > 0


@each
def test_service_comes_back_after_a_failure(service):
    assert service["restart"] in ("unless-stopped", "on-failure")


@each
def test_log_cannot_fill_the_disk(service):
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@each
def test_service_starts_without_any_capability(service):
    assert service["cap_drop"] == ["ALL"]


def test_only_sandboxes_have_rights():
    assert {name for name, service in SERVICES.items() if "cap_add" in service} == SANDBOXES


@pytest.mark.parametrize("name", sorted(SANDBOXES))
def test_server_of_sandboxes_gives_its_rights_up_before_it_serves(name):
    lines = (ROOT / SERVICES[name]["build"]["dockerfile"]).read_text().splitlines()
    entrypoint = (ROOT / "docker/sandboxes").read_text().splitlines()[-1]

    assert 'ENTRYPOINT ["sandboxes", "pivotgym"]' in lines
    assert "--reuid=pivotgym" in entrypoint
    assert "--bounding-set=-all,+setuid,+setgid" in entrypoint


def test_all_others_cannot_gain_privileges():
    others = [service for name, service in SERVICES.items() if name not in SANDBOXES]

    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in others)


def test_only_the_gateway_is_published_and_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert list(published) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in published["gateway"])


def test_environments_cannot_reach_the_network():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["inside"] for name in ENVIRONMENTS)


def test_gateway_waits_for_every_environment():
    waits = SERVICES["gateway"]["depends_on"]

    assert {name for name, wait in waits.items() if wait["condition"] == "service_healthy"} == ENVIRONMENTS


def test_every_environment_is_behind_the_gateway():
    upstreams = SERVICES["gateway"]["environment"]["PIVOTGYM_UPSTREAMS"]

    assert all(f"http://{name}:8000" in upstreams for name in ENVIRONMENTS)


def test_token_is_named_by_its_file_only():
    said = [value for service in SERVICES.values() for value in service.get("environment", {}).items()]

    assert {name for name, _ in said if "TOKEN" in name} == {"PIVOTGYM_TOKEN_FILE"}


def test_no_yaml_key_is_given_twice():
    """Compose v2 refuses it, also for the merge key; older ones take the last."""

    class Strict(yaml.SafeLoader):
        def compose_mapping_node(self, anchor):
            node = super().compose_mapping_node(anchor)
            names = [key.value for key, _ in node.value]
            assert len(names) == len(set(names)), names
            return node

    yaml.load((ROOT / "compose.yml").read_text(), Strict)


@pytest.mark.parametrize("dockerfile", [name for name in OURS if not name.startswith(("envs/terminal", "envs/swe"))])
def test_image_runs_as_a_plain_user(dockerfile):
    assert "USER pivotgym" in (ROOT / dockerfile).read_text().splitlines()


@pytest.mark.parametrize("dockerfile", [name for name in OURS if "gpu" not in name])
def test_image_says_whether_it_is_ready(dockerfile):
    lines = (ROOT / dockerfile).read_text().splitlines()

    assert any(line.startswith("HEALTHCHECK") and '"healthy"' in line for line in lines)


@pytest.mark.parametrize("dockerfile", [name for name in OURS if "gpu" not in name])
def test_final_stage_has_no_compiler(dockerfile):
    final = (ROOT / dockerfile).read_text().split("\nFROM ")[-1]

    assert not any(word in final for word in ("gcc", "build-essential", "-dev"))


def test_servers_with_the_same_needs_are_built_from_the_same_layers():
    heads = {
        tuple((ROOT / name).read_text().split("\nFROM ")[1].splitlines())
        for name in ("envs/tool_use/Dockerfile", "envs/terminal/Dockerfile", "servers/gateway/Dockerfile")
    }

    assert len(heads) == 1


def test_seccomp_profile_allows_what_sandboxes_are_made_with_and_no_kernel_modules():
    profile = json.loads((ROOT / "docker/seccomp.json").read_text())
    (refused,) = (set(rule["names"]) for rule in profile["syscalls"])

    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    assert not refused & {"clone", "clone3", "unshare", "setns", "mount", "umount2", "pivot_root"}
    assert refused >= {"init_module", "finit_module", "kexec_load", "bpf", "reboot", "open_by_handle_at", "keyctl"}
