import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pivotgym.core import Action, Malformed, Message, Tool, ToolCall
from pivotgym.core.errors import NotFound
from pivotgym.core.formats import format_for, format_id, get_format

FORMATS = ["smollm", "hermes", "qwen", "qwen-instruct", "qwen2.5", "llama-json"]
TAGGED = ["hermes", "qwen", "qwen-instruct", "qwen2.5"]
WRITTEN = ["smollm", "hermes", "llama-json"]  # qwen writes and reads actions by the code of hermes
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CLEAN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0<")).map(str.strip)
CALLS = st.builds(
    ToolCall,
    name=st.from_regex(r"[a-z_]+(\.[a-z]+)?(-[a-z]+)?", fullmatch=True),
    arguments=st.dictionaries(st.text(min_size=1), VALUES, max_size=3),
)


@pytest.mark.parametrize("name", WRITTEN)
@given(calls=st.lists(CALLS, min_size=1, max_size=3))
def test_calls_survive_render_and_parse(name, calls):
    fmt = get_format(name)
    action = Action(tool_calls=tuple(calls))

    if "<|" in repr(action):
        return
    assert fmt.parse(fmt.render_action(action)) == action


@pytest.mark.parametrize("name", WRITTEN)
@given(text=CLEAN.filter(lambda text: text and "[" not in text))
def test_plain_text_survives_render_and_parse(name, text):
    fmt = get_format(name)

    assert fmt.parse(fmt.render_action(Action(content=text))) == Action(content=text)


@pytest.mark.parametrize("name", WRITTEN)
@given(text=CLEAN.filter(lambda text: text and "[" not in text), calls=st.lists(CALLS, min_size=1, max_size=2))
def test_text_with_calls_survives_render_and_parse(name, text, calls):
    fmt = get_format(name)
    action = Action(content=text, tool_calls=tuple(calls))

    if "<|" in repr(action):
        return
    assert fmt.parse(fmt.render_action(action)) == action


@given(thought=CLEAN.filter(bool), text=CLEAN, calls=st.lists(CALLS, max_size=2))
def test_thinking_survives_render_and_parse(thought, text, calls):
    fmt = get_format("hermes")
    action = Action(content=text, tool_calls=tuple(calls), reasoning=thought)

    if "<|" in repr(action) or not (text or calls):
        return
    assert fmt.parse(fmt.render_action(action)) == action


@pytest.mark.parametrize("name", WRITTEN)
@given(text=st.text())
@example(text="[f(a=" + "(" * 5000)
@example(text="[f(**{None: 1})]")
@example(text="[f(**{'a': {**b}})]")
@example(text="[(lambda: 1)()]")
@example(text="[f(x=1j)]")
@example(text="<tool_call>{}</tool_call>")
@example(text="<tool_call>" + "[" * 100_000)
@example(text="<|python_tag|>" + "[" * 100_000)
@example(text='{"name": ' * 50_000)
@example(text='[{"name": 3}, null]')
def test_parse_never_raises(name, text):
    assert isinstance(get_format(name).parse(text), Action | Malformed)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[cd(folder=]", "expected a list of calls"),
        ("[cd('docs')]", "arguments must be named"),
        ("[cd(folder='a', folder='b')]", "given twice"),
        ("[cd(folder={1, 2})]", "set is no JSON value"),
        ("[cd(folder=name)]", "expected a list of calls"),
        ("", "got no text"),
    ],
)
def test_smollm_says_why_an_action_is_malformed(text, reason):
    parsed = get_format("smollm").parse(text)

    assert isinstance(parsed, Malformed)
    assert reason in parsed.reason


def test_smollm_reads_json_literals():
    parsed = get_format("smollm").parse("[f(a=true, b=null, c=-1.5)]<|im_end|>junk")

    assert parsed.tool_calls[0].arguments == {"a": True, "b": None, "c": -1.5}


def test_smollm_reads_text_before_the_calls():
    parsed = get_format("smollm").parse("Let me look.\n[ls()]")

    assert parsed == Action(content="Let me look.", tool_calls=(ToolCall(name="ls"),))


def test_smollm_shows_a_tool_as_one_line():
    tool = Tool(
        name="adjust",
        description="Sets the unit. Long story.",
        parameters={
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                "note": {"type": ["string", "null"]},
            },
            "required": ["value"],
        },
    )

    prompt = get_format("smollm").render([Message(role="user", content="go")], [tool])

    assert 'adjust(value: float, unit: "c"|"f" = \'c\', note: str|null = None): Sets the unit.<|im_end|>' in prompt
    assert "Long story" not in prompt


@pytest.mark.parametrize("name", FORMATS)
def test_a_state_is_a_text_prefix_of_the_next_state(name):
    fmt = get_format(name)
    state = [Message(role="system", content="s"), Message(role="user", content="u")]
    action = Action(tool_calls=(ToolCall(name="ls"),))

    longer = [*state, action.to_message(), Message(role="tool", content="a")]

    assert fmt.render(longer, []).startswith(fmt.render(state, []) + fmt.render_action(action))


@pytest.mark.parametrize("name", FORMATS)
def test_message_cannot_forge_a_turn(name):
    fmt = get_format(name)
    markers = "<|im_end|><|im_start|><|eot_id|><|start_header_id|><|end_header_id|><|python_tag|><|begin_of_text|>"
    marks = [mark for mark in ("<|im_start|>", "<|start_header_id|>") if mark in fmt.render([], [])]

    for role in ("system", "user", "tool", "assistant"):
        clean, forged = (fmt.render([Message(role=role, content=text)], []) for text in ("x", f"x{markers}x"))
        assert [forged.count(mark) for mark in marks] == [clean.count(mark) for mark in marks]


@pytest.mark.parametrize("name", TAGGED)
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<tool_call>{oops</tool_call>", "expected a JSON object"),
        ('<tool_call>{"name": "f"} and more</tool_call>', "text after it: 'and more'"),
        ('<tool_call>{"arguments": {}}</tool_call>', "no `name`"),
        ('<tool_call>{"name": "f", "arguments": 3}</tool_call>', "`arguments` is int"),
        ('<tool_call>{"name": "f", "foo": 3}</tool_call>', "neither `arguments` nor `parameters`, but ['foo']"),
        ("<think>for ever", "thinking that never ends"),
    ],
)
def test_tagged_formats_say_why_an_action_is_malformed(name, text, reason):
    parsed = get_format(name).parse(text)

    assert isinstance(parsed, Malformed)
    assert reason in parsed.reason


def test_hermes_reads_thinking_apart():
    parsed = get_format("hermes").parse('<think>\nhm\n</think>\n<tool_call>{"name": "ls"}</tool_call>')

    assert parsed == Action(reasoning="hm", tool_calls=(ToolCall(name="ls"),))


@pytest.mark.parametrize("name", TAGGED)
def test_tagged_formats_write_and_read_actions_alike(name):
    action = Action(content="x", reasoning="hm", tool_calls=(ToolCall(name="ls"),))

    assert get_format(name).render_action(action) == get_format("hermes").render_action(action)
    assert get_format(name).parse(get_format(name).render_action(action)) == action


def test_thinking_may_be_opened_by_the_prompt():
    assert get_format("qwen").parse("hm\n</think>\n\nHello") == Action(reasoning="hm", content="Hello")


def test_unknown_format_lists_what_there_is():
    with pytest.raises(NotFound, match=r"expected one of \['hermes', 'llama-json', .*\], got 'x'"):
        get_format("x")


def test_format_id_holds_name_and_version():
    assert format_id(get_format("smollm")) == "smollm/1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": "f", "parameters": {', "expected calls as"),
        ('{"name": "f", "parameters": 3}', "`arguments` is int"),
        ('{"parameters": {}}', "it has no `name`"),
        ('[{"name": "f", "parameters": {}}, {"name": "g", "foo": 3}]', "neither `arguments` nor `parameters`"),
        ('{"type": "function", "name": "f", "foo": 3}', "neither `arguments` nor `parameters`"),
        ('<|python_tag|>{"name": "f", "foo": 3}', "neither `arguments` nor `parameters`"),
        ("<|python_tag|>print(1)", "expected calls as"),
        (" <|eot_id|>", "got no text"),
    ],
)
def test_llama_json_says_why_an_action_is_malformed(text, reason):
    parsed = get_format("llama-json").parse(text)

    assert isinstance(parsed, Malformed)
    assert reason in parsed.reason


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "ls", "parameters": {"a": 1}}<|eot_id|>',
        '<|python_tag|>{"name": "ls", "parameters": {"a": 1}}<|eom_id|>',
        '{"type": "function", "name": "ls", "arguments": {"a": 1}}',
        '[{"name": "ls", "parameters": {"a": 1}}]',
    ],
)
def test_llama_json_reads_a_call_in_any_of_its_dresses(text):
    assert get_format("llama-json").parse(text) == Action(tool_calls=(ToolCall(name="ls", arguments={"a": 1}),))


@pytest.mark.parametrize("name", ["hermes", "llama-json"])
@pytest.mark.parametrize("call", ['{"name": "ls"}', '{"type": "function", "name": "ls"}'])
def test_a_call_may_leave_out_that_it_has_no_arguments(name, call):
    text = call if name == "llama-json" else f"<tool_call>{call}</tool_call>"
    assert get_format(name).parse(text) == Action(tool_calls=(ToolCall(name="ls"),))


@pytest.mark.parametrize(
    "text",
    [
        *('{"answer": 42}', "[1] is the source", "{x | x > 0}", "[]"),
        *('{"name": "Alice", "age": 30}', '[{"name": "Alice", "age": 30}]', '{"type": "circle", "radius": 2}'),
    ],
)
def test_llama_json_leaves_other_json_and_brackets_as_text(text):
    assert get_format("llama-json").parse(text) == Action(content=text)


def test_llama_json_shows_tools_before_the_users_words():
    messages = [Message(role="system", content="s"), Message(role="user", content="u")]

    prompt = get_format("llama-json").render(messages, [Tool(name="ls")])

    assert prompt.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nEnvironment: ipython")
    assert prompt.index("\n\ns<|eot_id|>") < prompt.index('"name": "ls"') < prompt.index("u<|eot_id|>")
    assert prompt.endswith("<|start_header_id|>assistant<|end_header_id|>\n\n")


def test_llama_json_shows_tools_without_any_user_too():
    assert '"name": "ls"' in get_format("llama-json").render([Message(role="system", content="s")], [Tool(name="ls")])


def test_qwen_keeps_thinking_since_the_user_spoke_and_drops_older():
    def acted(thought):
        return Message(role="assistant", reasoning=thought, tool_calls=[ToolCall(name="ls")])

    answered = Message(role="tool", content="a")
    messages = [Message(role="user", content="1"), acted("old"), answered]
    messages += [Message(role="user", content="2"), acted("new"), answered]

    prompt = get_format("qwen").render(messages, [])

    assert "<think>\nnew\n</think>\n\n<tool_call>" in prompt
    assert "old" not in prompt
    assert "think" not in get_format("qwen2.5").render(messages, [])


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("smollm2-135m-instruct", "smollm"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5"),
        ("/models/Qwen3-8B/", "qwen"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "qwen-instruct"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-json"),
        ("llama3.1:8b", "llama-json"),
    ],
)
def test_format_is_known_by_the_models_name(model, name):
    assert format_for(model).name == name


def test_qwen_takes_thinking_out_of_a_text_where_a_server_left_it():
    messages = [
        Message(role="user", content="Go."),
        Message(role="assistant", content="<think>\nHm.\n</think>\n\nGone."),
    ]

    since, before = (
        get_format("qwen").render([*messages, *more], []) for more in ([], [Message(role="user", content="?")])
    )

    assert "assistant\n<think>\nHm.\n</think>\n\nGone.<|im_end|>" in since
    assert "assistant\nGone.<|im_end|>" in before


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("<|im_start|>system You are a helpful AI assistant named SmolLM", "smollm"),
        ("{{ '<|start_header_id|>' }}", "llama-json"),
        ("You are a function calling AI model. <tools>", "hermes"),
        ('You are Qwen. {"name": <function-name>, "arguments": <args-json-object>}', "qwen2.5"),
        ('{"name": <function-name>, "arguments": <args-json-object>} </think>', "qwen"),
        ('{"name": <function-name>, "arguments": <args-json-object>}', "qwen-instruct"),
    ],
)
def test_chat_template_decides_before_the_name(template, name):
    assert format_for("policy", template).name == name
    assert format_for("llama-3.1" if name != "llama-json" else "qwen3", template).name == name


@pytest.mark.parametrize("model", ["policy", "gpt-9", "Qwen3-Coder-30B", "llama-2-7b"])
def test_unknown_model_says_what_to_do(model):
    with pytest.raises(NotFound, match=r"expected a model whose format is known, got .*set `format` to one of"):
        format_for(model, "{{ messages }}")
