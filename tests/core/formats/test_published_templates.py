"""Token ids of our prompts are those of the models' own chat templates, as the PyPI package `trl` carries them.

The wheel is fetched without its dependencies and only its templates are read. The tokenizer is one of bytes that knows
the templates' markers: what is compared is what a template makes of a conversation, whatever the vocabulary.

Left out on purpose: several calls in one turn, which Llama's template refuses, and text beside calls, which it drops.
"""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pivotgym.core import Message, Tool, ToolCall
from pivotgym.core.chat_api import to_openai
from pivotgym.core.errors import Unreachable
from pivotgym.core.formats import format_for, get_format
from pivotgym.core.wheels import Wheel, cache_dir, fetch_wheel
from pivotgym.trainer.models import SMOLLM2_NAME

TEMPLATES = Wheel("trl", "1.16.0", "c4726e139dd40e1a41661511c639c8a68416782b2e3e8c0befebd77bb7ba0396")
MARKERS = ("<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
MODELS = [
    ("qwen2_5", "qwen2.5"),
    ("qwen3", "qwen"),
    ("qwen3_instruct_2507", "qwen-instruct"),
    ("llama3_1", "llama-json"),
]
TOOLS = [
    Tool(name="read", description="Reads “a” file.", parameters={"type": "object", "properties": {"é": {}}}),
    Tool(name="stop", description="", parameters={"type": "object", "properties": {}, "required": []}),
]
CALL = ToolCall(name="read", arguments={"path": "ü/ä", "lines": [1, None, 2.5, True], "deep": {"<b>": "&'\""}})
SYSTEM, ASK = Message(role="system", content="Be brief."), Message(role="user", content="Read it.\n\nNow.")
CALLS = Message(role="assistant", content=None, tool_calls=[CALL])
RESULT = Message(role="tool", content='{"ok": "größe"}\n<b>')
DONE, MORE = Message(role="assistant", content="Read. More?"), Message(role="user", content="Yes.")
TWO = Message(role="assistant", content=None, tool_calls=[CALL, ToolCall(name="stop", arguments={})])
SAID = Message(role="assistant", content="Let me look.", tool_calls=[CALL])
THOUGHT = Message(role="assistant", content="", reasoning="Which file?\nThat one.", tool_calls=[CALL])
STATES = {
    "system and user": [SYSTEM, ASK],
    "user alone": [ASK],
    "text of the assistant": [SYSTEM, ASK, DONE, MORE],
    "call": [SYSTEM, ASK, CALLS, RESULT],
    "calls one after the other": [ASK, CALLS, RESULT, CALLS, RESULT, DONE, MORE],
}
RICHER = {
    "text with a call": [SYSTEM, ASK, SAID, RESULT, DONE, MORE],
    "several calls": [SYSTEM, ASK, TWO, RESULT, RESULT],
    "several calls in the past": [SYSTEM, ASK, TWO, RESULT, RESULT, DONE, MORE],
}
THINKING = {
    "thinking since the user spoke": [SYSTEM, ASK, THOUGHT, RESULT],
    "thinking before the user spoke": [SYSTEM, ASK, THOUGHT, RESULT, DONE, MORE, THOUGHT, RESULT],
    "thinking in the text": [ASK, Message(role="assistant", content="<think>\nHm.\n</think>\n\nRead."), MORE],
}
CASES = [
    (template, name, states[state])
    for template, name in MODELS
    for states in (STATES, {} if name == "llama-json" else RICHER, THINKING if name == "qwen" else {})
    for state in states
]
IDS = [
    f"{name}, {state}"
    for _, name in MODELS
    for states in (STATES, {} if name == "llama-json" else RICHER, THINKING if name == "qwen" else {})
    for state in states
]


@pytest.fixture(scope="module")
def published():
    try:
        return fetch_wheel(TEMPLATES) / "trl" / "chat_templates"
    except Unreachable as error:
        pytest.skip(f"the wheel of trl, which carries the templates, cannot be fetched: {error}")


def tokenizer_with(template):
    raw = Tokenizer(models.BPE({letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, []))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    raw.add_special_tokens([AddedToken(marker, special=True) for marker in MARKERS])
    return PreTrainedTokenizerFast(tokenizer_object=raw, chat_template=template, bos_token="<|begin_of_text|>")


def as_the_template_takes_them(messages):
    """Arguments as objects, thinking in `reasoning_content`."""
    made = to_openai(messages)
    for message, ours in zip(made, messages, strict=True):
        if ours.reasoning:
            message["reasoning_content"] = ours.reasoning
        for call, known in zip(message.get("tool_calls") or [], ours.tool_calls or [], strict=True):
            call["function"]["arguments"] = known.arguments
    return made


@pytest.mark.parametrize("tools", [[], TOOLS], ids=["no tools", "tools"])
@pytest.mark.parametrize(("template", "name", "messages"), CASES, ids=IDS)
def test_ids_of_a_state_are_the_templates(published, template, name, messages, tools):
    tokenizer = tokenizer_with((published / f"{template}.jinja").read_text())

    theirs = tokenizer.apply_chat_template(
        as_the_template_takes_them(messages),
        tools=[tool.model_dump() for tool in tools] or None,
        add_generation_prompt=True,
        return_dict=False,
    )

    ours = tokenizer(get_format(name).render(messages, tools), add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ours) == tokenizer.decode(theirs)
    assert ours == theirs


@pytest.mark.parametrize(("template", "name"), MODELS)
def test_a_published_template_tells_its_format(published, template, name):
    assert format_for("some-model", (published / f"{template}.jinja").read_text()).name == name


@pytest.mark.parametrize("state", [state for state in STATES if "user alone" not in state and "one after" not in state])
def test_ids_of_a_smollm_prompt_are_its_own_templates(state):
    folder = cache_dir() / "models" / SMOLLM2_NAME
    if not folder.is_dir():
        pytest.skip(f"{SMOLLM2_NAME} was not fetched: pivotgym demo does")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    messages = [message.model_copy(update={"tool_calls": None}) for message in STATES[state] if message is not CALLS]

    theirs = tokenizer.apply_chat_template(to_openai(messages), add_generation_prompt=True, return_dict=False)

    assert tokenizer(get_format("smollm").render(messages, []), add_special_tokens=False)["input_ids"] == theirs
