"""A chat template is a stranger's program: it renders as in Transformers, and is stopped when it takes too much."""

import os
import signal
import threading
import time
from importlib.resources import files
from pathlib import Path

import pytest
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

from conftest import tiny_settings, write_recipe
from qloratory.cli import main
from qloratory.errors import LabelError
from qloratory.labels import render_chat, tokenize_rows
from qloratory.template import RENDERER, SECONDS, render_template
from test_trust import changed

PUBLISHED = sorted(path.name for path in (files("trl") / "chat_templates").iterdir() if path.name.endswith(".jinja"))
CONVERSATION = [
    {"role": "user", "content": "Add 2 <b>&amp;</b>\n\n"},
    {"role": "assistant", "content": "<think>\nHm ü\n</think>\n\nx + 2"},
    {"role": "user", "content": " Größer? 你好 "},
]
VALUES = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.promise("Templates of the usual model families render as in Transformers, to the letter.")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_templates_render_as_in_transformers(name: str) -> None:
    template = (files("trl") / "chat_templates" / name).read_text(encoding="utf-8")
    system = {"role": "system", "content": "Be brief."}
    for messages in (CONVERSATION, CONVERSATION[:2], [system, *CONVERSATION]):
        for opened in (True, False):
            values = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": opened} | VALUES
            try:
                (expected,), _ = render_jinja_template(
                    [messages], chat_template=template, add_generation_prompt=opened, **VALUES
                )
            except Exception:  # some refuse a system message
                with pytest.raises(LabelError, match="chat template fails on a conversation"):
                    render_template(template, values)
            else:
                assert render_template(template, values) == expected


def test_what_else_transformers_gives_a_template() -> None:
    template = (
        "{% set n = namespace(a=1, self=2) %}{% set n.a = n.a + 1 %}{{ n.a }}{{ {'ü': '<'} | tojson(indent=1) }}"
        "{{ dict(a=1) }}{{ dict.fromkeys('ab') }}{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}"
        "{% endfor %}\n  {% generation %}x{% endgeneration %}\n{{ strftime_now('%Y') }}"
    )
    (expected,), _ = render_jinja_template([CONVERSATION], chat_template=template)
    assert render_template(template, {}) == expected


HOSTILE = {
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}"
    "{% endfor %}{% endfor %}{% endfor %}",
    "one long text": "{{ 'a' * 10**10 }}",
    "a constant of the compiler": "{{ ('a' * 10**8) | length }}{{ 9 ** (9 ** 9) }}",
    "a text that doubles": "{% set n = namespace(x='aa') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}"
    "{% endfor %}{{ n.x }}",
    "a list that doubles": "{% set n = namespace(x=[1]) %}{% for i in range(40) %}{% set n.x = n.x + n.x %}"
    "{% endfor %}",
    "a call that Python cannot interrupt": "{% set n = namespace(x=[[1]]) %}{% for i in range(21) %}"
    "{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | sum(start=[]) }}",
    "a comparison without end": "{% set n = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
    "{% set n.x = [n.x, n.x] %}{% set n.y = [n.y, n.y] %}{% endfor %}{{ n.x == n.y }}",
    "padding": "{{ 'a' | center(10**11) }}",
    "formatting": "{{ '%99999999999d' | format(1) }}{{ '{:>99999999999}'.format(1) }}",
    "recursion": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "nesting": "{{ " + "(" * 5000 + ")" * 5000 + " }}",
    "endless text": "{% for a in range(99999) %}{{ 'a' * 5000 }}{% endfor %}",
    "a certain message": "{% if 'x + 2' in messages[-1]['content'] %}{% for a in range(99999) %}"
    "{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %}",
    "Python's inside": "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ raise_exception.__globals__.x.y }}",
    "a namespace's inside": "{{ namespace(__class__=1) }}",
}


@pytest.mark.promise(
    f"A chat template that never ends, or writes gigabytes, is refused within {2 * SECONDS:.0f} seconds, whatever "
    "message sets it off."
)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_template_that_takes_too_much_is_refused(name: str) -> None:
    values = {"messages": [{"role": "assistant", "content": "x + 2"}]}
    started = time.monotonic()
    with pytest.raises(LabelError, match="^the model's chat template fails on a conversation: .+") as error:
        render_template(HOSTILE[name], values)
    assert time.monotonic() - started < 2 * SECONDS
    assert "\n" not in str(error.value)
    assert render_template("{{ 1 + 1 }}", {}) == "2"  # the next one is not its victim


def test_a_killed_process_is_started_again() -> None:
    process = RENDERER.start()
    process.kill()
    process.wait()
    assert render_template("{{ 1 + 1 }}", {}) == "2"


def test_an_interrupted_rendering_leaves_no_answer_behind() -> None:
    """Ctrl-C in a notebook: the next cell may not get the answer to the last one's question."""
    interrupt = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        render_template(HOSTILE["loops in loops"], {})
    assert render_template("{{ 1 + 1 }}", {}) == "2"


def test_a_slow_template_cannot_take_its_limit_again_and_again() -> None:
    slow = "{% for a in range(8000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}"
    started = time.monotonic()
    with pytest.raises(LabelError, match="seconds of computing"):
        [render_template(slow, {}) for _ in range(100)]
    assert time.monotonic() - started < 3 * SECONDS


def test_a_hostile_template_stops_a_run_before_it_starts(
    tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(tiny_qwen, tmp_path / "model", "config.json")
    (folder / "chat_template.jinja").write_text(HOSTILE["a text that doubles"])
    recipe = write_recipe(tmp_path, tiny_settings(folder, tmp_path))
    assert main(["train", str(recipe)]) == LabelError.exit_code
    told = capsys.readouterr().err
    assert told.startswith("qloratory: the model's chat template fails on a conversation: ")
    assert told.count("\n") == 1
    assert main(["generate", str(recipe), "--prompt", "Hi", "--baseline"]) == LabelError.exit_code


def test_the_template_does_not_run_in_this_process(tiny_qwen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the template was compiled here")

    monkeypatch.setattr("transformers.utils.chat_template_utils._compile_jinja_template", refuse)
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen)
    row = {"prompt": CONVERSATION[:1], "completion": CONVERSATION[1:2]}
    assert len(tokenize_rows([row], tokenizer, 512)) == 1
    assert render_chat(CONVERSATION, tokenizer, add_generation_prompt=True).endswith("<|im_start|>assistant\n")
