"""Our prompts beside those of chat templates, rendered as `transformers` renders a tokenizer's.

The templates are written here, in the protocols of the models, so that this needs no network; beside published ones our
prompts are set in `test_published_templates`.
"""

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from pivotgym.core import Message, Tool, ToolCall
from pivotgym.core.chat_api import to_openai
from pivotgym.core.formats import format_for

CHATML_TOOLS = r"""
{%- set first = messages[0].content ~ '\n\n' if messages[0].role == 'system' else '' -%}
{{ '<|im_start|>system\n' ~ first ~ '# Tools\n\n' -}}
{{ 'You may call one or more functions to assist with the user query.\n\n' -}}
{{ 'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' }}
{%- for tool in tools %}{{ '\n' ~ (tool | tojson) }}{% endfor -%}
{{ '\n</tools>\n\nFor each function call, return a json object with function name and arguments within ' -}}
{{ '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n' -}}
{{ '</tool_call><|im_end|>\n' -}}
{%- for m in messages -%}
{%- if m.role == 'user' -%}{{ '<|im_start|>user\n' ~ m.content ~ '<|im_end|>\n' -}}
{%- elif m.role == 'assistant' -%}
{{ '<|im_start|>assistant\n' ~ (m.content or '') -}}
{%- for call in m.tool_calls or [] -%}
{{ '\n' if m.content or not loop.first -}}
{{ '<tool_call>\n{"name": "' ~ call.function.name ~ '", "arguments": ' -}}
{{ call.function.arguments ~ '}\n</tool_call>' -}}
{%- endfor -%}
{{ '<|im_end|>\n' -}}
{%- elif m.role == 'tool' -%}
{{ '<|im_start|>user' if messages[loop.index0 - 1].role != 'tool' -}}
{{ '\n<tool_response>\n' ~ m.content ~ '\n</tool_response>' -}}
{{ '<|im_end|>\n' if loop.last or messages[loop.index0 + 1].role != 'tool' -}}
{%- endif -%}
{%- endfor -%}
{{ '<|im_start|>assistant\n' if add_generation_prompt }}"""

LLAMA_TOOLS = r"""
{%- macro turn(role, text) -%}{{ '<|start_header_id|>' ~ role ~ '<|end_header_id|>\n\n' ~ text ~ '<|eot_id|>' }}
{%- endmacro -%}
{{ '<|begin_of_text|>' ~ turn('system', 'Environment: ipython\nCutting Knowledge Date: December 2023\n'
   ~ 'Today Date: 26 Jul 2024\n\n' ~ messages[0].content) -}}
{%- for m in messages[1:] -%}
{%- if m.role == 'user' and loop.first -%}
{%- set listed -%}{%- for tool in tools %}{{ (tool | tojson(indent=4)) ~ '\n\n' }}{% endfor -%}{%- endset -%}
{{ turn('user', 'Given the following functions, please respond with a JSON for a function call with its proper '
   ~ 'arguments that best answers the given prompt.\n\nRespond in the format {"name": function name, "parameters": '
   ~ 'dictionary of argument name and its value}.Do not use variables.\n\n' ~ listed ~ m.content) -}}
{%- elif m.tool_calls -%}
{%- set f = m.tool_calls[0].function -%}
{{ turn('assistant', '{"name": "' ~ f.name ~ '", "parameters": ' ~ f.arguments ~ '}') -}}
{%- else -%}
{{ turn('ipython', m.content | tojson) if m.role == 'tool' else turn(m.role, m.content) -}}
{%- endif -%}
{%- endfor -%}
{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' if add_generation_prompt }}"""

TOOLS = [Tool(name="read", description="Reads “a” file.", parameters={"type": "object", "properties": {"é": {}}})]
CALL = ToolCall(name="read", arguments={"path": "ü/ä", "lines": [1, None, 2.5]})


def conversation(calls: int) -> list[Message]:
    return [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Read it."),
        Message(role="assistant", content=None, tool_calls=[CALL] * calls),
        *[Message(role="tool", content='{"ok": "größe"}')] * calls,
        Message(role="assistant", content="Read. More?"),
        Message(role="user", content="No."),
    ]


@pytest.mark.parametrize(("template", "calls"), [(CHATML_TOOLS, 1), (CHATML_TOOLS, 2), (LLAMA_TOOLS, 1)])
@pytest.mark.parametrize("until", [2, -2, None], ids=["after the user", "after a result", "whole"])
def test_our_prompt_is_the_templates(template: str, calls: int, until: int | None) -> None:
    messages = conversation(calls)[:until]

    rendered, _ = render_jinja_template(
        conversations=[to_openai(messages)],
        tools=[tool.model_dump() for tool in TOOLS],
        chat_template=template,
        add_generation_prompt=True,
    )

    assert format_for("policy", template).render(messages, TOOLS) == rendered[0]
