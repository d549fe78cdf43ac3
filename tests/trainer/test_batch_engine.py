"""The batch engine's settings and refusals, and its file of samples, without Ray. With it: `openrlhf_engine/`."""

from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pivotgym.cli.resources import sampling_engine
from pivotgym.core.errors import BadLine, ConfigError, DigestMismatch, MissingDependency
from pivotgym.core.formats import get_format
from pivotgym.core.trajectory import Sampling
from pivotgym.trainer.config import load_config
from pivotgym.trainer.ray_engine import _cause, engine_arguments
from pivotgym.trainer.ray_sampler import stop_ids
from pivotgym.trainer.samples import Draw, SampledState, SampleFile
from pivotgym.trainer.settings import RaySettings

STATE = SampledState(key="a:0", prompt="p", policy="w", format="f/1", sampling=Sampling(), draws=())


def drawn(text, *, stopped=True):
    ids = tuple(range(len(text) + stopped))
    return Draw(temperature=1.0, token_ids=ids, logprobs=(-0.5,) * len(ids), text=text, stopped=stopped)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed here")
def test_without_ray_the_engine_is_refused_with_the_command_that_installs_it(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    config = load_config(None, ["engine.kind=ray", f"policy={tmp_path}"])

    with pytest.raises(MissingDependency, match=r"engine\.kind 'ray': not installed: ray") as refused:
        sampling_engine(config)
    assert "pip install" in refused.value.hint
    assert "make openrlhf-cpu" in refused.value.hint


def test_a_server_is_refused_with_the_batch_engine():
    with pytest.raises(ConfigError, match="model: expected only with kind 'openai', got kind 'ray'"):
        load_config(None, ["engine.kind=ray", "engine.model=m"])


def test_further_arguments_of_vllm_go_before_ours():
    made = engine_arguments(RaySettings(tensor_parallel=2, vllm={"max_num_seqs": 8, "seed": 3}), "bfloat16", cuda=True)

    assert (made["tensor_parallel_size"], made["max_num_seqs"], made["seed"]) == (2, 8, 3)
    assert engine_arguments(RaySettings(vllm={"dtype": "float16"}), "bfloat16", cuda=True)["dtype"] == "float16"


def test_on_a_cpu_prompts_are_read_whole():
    assert engine_arguments(RaySettings(), "bfloat16", cuda=False)["enable_chunked_prefill"] is False
    assert "enable_chunked_prefill" not in engine_arguments(RaySettings(), "bfloat16", cuda=True)


@pytest.mark.parametrize(
    ("settings", "ids"), [('{"eos_token_id": 3}', [3]), ('{"eos_token_id": [3, 4]}', [3, 4]), ("{}", [7]), (None, [7])]
)
def test_an_action_ends_where_the_models_settings_say_else_at_the_end_of_text(tmp_path, settings, ids):
    class Tokenizer:
        eos_token_id = 7

    if settings is not None:
        (tmp_path / "generation_config.json").write_text(settings)
    assert stop_ids(str(tmp_path), Tokenizer()) == ids


@given(
    text=st.text(max_size=20),
    stopped=st.booleans(),
    logprobs=st.lists(st.floats(max_value=0, allow_infinity=False), max_size=4),
)
def test_a_state_on_disk_is_read_as_it_was(tmp_path_factory, text, stopped, logprobs):
    draw = Draw(temperature=0.7, token_ids=(1, 2), logprobs=tuple(logprobs), text=text, stopped=stopped)
    file = SampleFile(tmp_path_factory.mktemp("samples") / "s.jsonl")
    state = STATE.model_copy(update={"draws": (draw,)})
    file.append([state])

    assert file.find({"a:0": STATE}) == {"a:0": state}


def test_states_that_nobody_asks_for_are_passed_over(tmp_path):
    file = SampleFile(tmp_path / "s.jsonl")
    file.append([STATE, STATE.model_copy(update={"key": "b:0", "policy": "another"})])

    assert list(file.find({"a:0": STATE})) == ["a:0"]


@pytest.mark.parametrize("what", ["prompt", "policy", "format"])
def test_actions_of_another_job_are_refused(tmp_path, what):
    file = SampleFile(tmp_path / "s.jsonl")
    file.append([STATE])

    with pytest.raises(DigestMismatch, match=f"the actions at 'a:0' were sampled for another {what}"):
        file.find({"a:0": STATE.model_copy(update={what: "x"})})


def test_a_line_that_is_no_state_is_named(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"key": "a:0", "draws": 3}\n')

    with pytest.raises(BadLine, match=r"s\.jsonl"):
        SampleFile(tmp_path / "s.jsonl").find({"a:0": STATE})


def test_an_action_cut_at_its_limit_is_marked():
    assert not drawn("hello").read(get_format("smollm")).truncated
    assert drawn("hello", stopped=False).read(get_format("smollm")).truncated


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("out of memory", "out of memory"),
        ("Traceback\n  File x\nRuntimeError: out of memory\n", "RuntimeError: out of memory"),
        (
            "ray::Worker()\nKeyError: 'a'\nValidationError: 1 error\n  max_model_len is too large\n",
            "ValidationError: 1 error max_model_len is too large",
        ),
        ("", "RuntimeError"),
    ],
)
def test_of_an_engines_error_the_innermost_part_is_shown(said, shown):
    assert _cause(RuntimeError(said)) == shown
