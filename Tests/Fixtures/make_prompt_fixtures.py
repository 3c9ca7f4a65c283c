"""Makes Tests/Fixtures/prompts: templates of our own, and what transformers makes of conversations with them.

    python3 Tests/Fixtures/make_prompt_fixtures.py

Each file is {tokenizer, config, template, cases}: the tokenizer is one of Tests/Fixtures/tokenizers/families, the config its
tokenizer_config.json. A case has what apply_chat_template is given, and text and ids that come out, or the error; where the template
marks what an assistant says, also the mask of ids. Made with transformers 5.23, tokenizers 0.23, jinja2 3.1.6.
"""

import json
import pathlib
import shutil
import tempfile

from transformers import AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
FIXTURES = pathlib.Path(__file__).parent

THINKING = """\
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}{% if message.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{% endif %}
    {{- '# Tools' }}
    {%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = (message.content or '').split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last %}
            {{- '<think>\\n' + (message.reasoning_content or '') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content }}
        {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}
"""

MARKED = """\
{{ bos_token }}{% for message in messages %}
<|im_start|>{{ message.role }}
{% if message.role == 'assistant' %}{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}{% else %}{{ message.content }}<|im_end|>{% endif %}

{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

HEADERS = """\
{{- bos_token }}
{%- if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}
{{- '<|start|>system<|end|>\\n\\nToday is ' + date_string + '.\\n\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content | trim }}{% set messages = messages[1:] %}{% endif %}
{{- '<|stop|>' }}
{%- for message in messages %}
    {{- '<|start|>' + message.role + '<|end|>\\n\\n' + message.content | trim + '<|stop|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant<|end|>\\n\\n' }}{% endif %}
"""

INST = """\
{%- if messages[0].role == 'system' %}
    {%- set system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}
    {%- set messages = messages[1:] %}
{%- else %}{% set system = '' %}{% endif %}
{%- for message in messages %}
    {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('roles must alternate') }}{% endif %}
    {%- if message.role == 'user' %}
        {{- bos_token + '[INST] ' + (system if loop.first else '') + message.content.strip() + ' [/INST]' }}
    {%- else %}{{- ' ' + message.content.strip() + ' ' + eos_token }}{% endif %}
{%- endfor %}
"""

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello there."}, {"role": "user", "content": " What's 1 + 2?  "}]
ANSWERED = TALK + [{"role": "assistant", "content": "It is 3.\n"}]
SYSTEM = [{"role": "system", "content": "Be brief. "}]
WEATHER = [{"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": {"type": "object"}}}]
CALL = [
    {"role": "user", "content": "Weather in Oslo?"},
    {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Ås"}}}]},
    {"role": "tool", "content": "{\"degrees\": -3}", "name": "weather"},
    {"role": "assistant", "content": "Cold.", "reasoning": "Minus three."},
]

CONVERSATIONS = [
    ("question", TALK[:1], True, {}), ("talk", TALK, True, {}), ("answered", ANSWERED, False, {}), ("system", SYSTEM + TALK, True, {}),
    ("two in a row", TALK[:1] + TALK[:1], True, {}), ("letters", [{"role": "user", "content": "  é¾\n\n\tＡ 🙂 "}], True, {}),
]
CALLS = [("call", CALL, False, {"tools": WEATHER}), ("result", CALL[:3], True, {"tools": WEATHER})]

SPECIAL = ["<|im_start|>", "<|im_end|>"]
FILES = {
    "thinking-qwen2": ("qwen2", {"eos_token": "<|im_end|>", "additional_special_tokens": SPECIAL}, THINKING,
                       CONVERSATIONS + CALLS + [("switched off", TALK, True, {"enable_thinking": False})]),
    "marked-llama3": ("llama3", {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "additional_special_tokens": SPECIAL}, MARKED,
                      CONVERSATIONS),
    "headers-tekken": ("tekken", {"bos_token": "<s>", "eos_token": "</s>", "additional_special_tokens": ["<|start|>", "<|end|>", "<|stop|>"]},
                       HEADERS, [(name, messages, opens, {**more, "date_string": "26 Jul 2024"}) for name, messages, opens, more in CONVERSATIONS]),
    "inst-metaspace": ("metaspace", {"bos_token": "<s>", "eos_token": "</s>"}, INST, CONVERSATIONS),
    "inst-llama2": ("llama2", {"bos_token": "<s>", "eos_token": "</s>"}, INST, CONVERSATIONS),
    "thinking-gemma": ("gemma", {"bos_token": "<bos>", "eos_token": "<eos>", "additional_special_tokens": SPECIAL}, THINKING, CONVERSATIONS),
}


def case(tokenizer, template, name, messages, opens, more):
    document = {"name": name, "messages": messages, "add_generation_prompt": opens}
    options = {key: value for key, value in more.items() if key != "tools"}
    if options:
        document["options"] = options
    if "tools" in more:
        document["tools"] = more["tools"]
    arguments = dict(add_generation_prompt=opens, **more)
    try:
        document["text"] = tokenizer.apply_chat_template(messages, tokenize=False, **arguments)
    except Exception as error:
        document["error"] = str(error)
        return document
    marks = "{% generation %}" in template
    encoded = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=marks, **arguments)
    document["ids"] = encoded["input_ids"]
    if marks:
        document["mask"] = encoded["assistant_masks"]
    return document


def main():
    for name, (family, config, template, cases) in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(FIXTURES / "tokenizers/families" / family / "tokenizer.json", folder)
            stated = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
            (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(stated))
            (pathlib.Path(folder) / "chat_template.jinja").write_text(template)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            document = {"tokenizer": family, "config": stated, "template": template,
                        "cases": [case(tokenizer, template, *each) for each in cases]}
        (FIXTURES / "prompts" / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
        print(name, [each["name"] for each in document["cases"] if "error" in each])


main()
