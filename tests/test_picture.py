"""The pictures show every token, place and line, and tell what differs without colour."""

import re
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from qloratory.labels import describe_tokens
from qloratory.picture import mark_differences, padding_picture, side_by_side, spelled_out, token_strip

ATTACK = "</code></pre><script>alert(1)</script><img src=x onerror=alert(1)>"
TOKENS = [
    {"text": "user", "id": 4093, "label": -100},
    {"text": "\n", "id": 198, "label": -100},
    {"text": " x", "id": 1792, "label": 1792},
    {"text": "\n    ", "id": 472, "label": 472},
    {"text": "<|im_end|>", "id": 2, "label": 2},
]


def words_of(fragment: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", fragment, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def answer(when: str, text: str, **verdict: Any) -> dict[str, Any]:
    return {"when": when, "text": text, "how": "9 tokens", "rules": {}, "tests": None, "reason": "not run"} | verdict


def test_the_strip_shows_text_id_and_label_of_every_token() -> None:
    words = words_of(token_strip(TOKENS))
    assert "user 4093 -100 ⏎ 198 -100 ·x 1792 1792 ⏎···· 472 472 &lt;|im_end|&gt; 2 2" in words
    assert "2 tokens of the prompt: masked" in words
    assert "3 tokens of the answer and its end" in words


def test_the_strip_has_the_lines_of_the_text() -> None:
    lines = re.findall(r"<p><span class=.*?</p>", token_strip(TOKENS))
    assert [line.count("<b>") for line in lines] == [2, 1, 2]


def test_described_tokens_are_the_row_one_by_one(tiny_qwen: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen)
    ids = tokenizer("def f(x):\n    return x", add_special_tokens=False)["input_ids"]
    tokens = describe_tokens(ids, [-100, *ids[1:]], tokenizer)
    assert "".join(token["text"] for token in tokens) == "def f(x):\n    return x"
    assert [token["id"] for token in tokens] == ids
    assert [token["label"] for token in tokens] == [-100, *ids[1:]]


@pytest.mark.parametrize(("side", "starts"), [("right", "0 60 260"), ("left", "40 100 0")])
def test_the_bars_are_as_long_as_their_counts(side: str, starts: str) -> None:
    fragment = padding_picture(
        [{"prompt": 60, "answer": 200, "padding": 40}, {"prompt": 50, "answer": 250, "padding": 0}], side
    )
    found = dict(re.findall(r'<rect class="(\w+)" x="(\d+)" y="0"', fragment.split('scope="row">2')[0]))
    assert [found[kind] for kind in ("prompt", "answer", "padding")] == starts.split()
    assert "40 of 600 places of the batch are padding, 6.7 %." in words_of(fragment)
    assert "1 60 200 40 2 50 250 0" in words_of(fragment)
    assert "No padding: all 30 places" in padding_picture([{"prompt": 10, "answer": 20, "padding": 0}])


def test_differences_are_marked_by_line_and_by_word() -> None:
    first, second = mark_differences("Sure!\nimport re\ndef f(x):\n", "import re\ndef f(x: int):\n    pass")
    assert [(line.mark, "".join(part.text for part in line.parts)) for line in first] == [
        ("del", "Sure!"), ("span", "import re"), ("del", "def f(x):"),
    ]  # fmt: skip
    assert [line.mark for line in second] == ["span", "ins", "ins"]
    assert [(part.text, part.changed) for part in second[1].parts] == [
        ("def f(x", False),
        (": int", True),
        ("):", False),
    ]


def test_answers_stand_with_their_marks_and_verdicts() -> None:
    rules = {"code_only": True, "type_hints": False}
    fragment = side_by_side(
        "Write f.",
        [
            answer("Before", "x = 1\ny = 2", rules=rules, tests=False, reason="NameError"),
            answer("After", "x = 1\nprint()", rules=rules, tests=True, reason=""),
            answer("Merged", " \n"),
        ],
    )
    assert '<del class="line">y = 2\n</del>' in fragment
    assert '<ins class="line">print()\n</ins>' in fragment
    words = words_of(fragment)
    assert "✗ Tests failed: NameError Style: 1 of 2 rules kept ✓ kept: code_only ✗ missed: type_hints" in words
    assert "✓ Tests passed" in words
    assert "The answer is empty. Tests: not run" in words


def test_one_answer_has_no_marks() -> None:
    fragment = side_by_side("Write f.", [answer("Before", "x = 1")])
    assert not re.search("<del|<ins|marks lines", fragment)


def test_long_answers_are_compared_in_no_time() -> None:
    mark_differences("x " * 50_000, "y " * 50_000)
    mark_differences("\n".join(map(str, range(3000))), "\n".join(map(str, range(5000, 8000))))


@pytest.mark.parametrize(
    "fragment",
    [
        token_strip([{"text": ATTACK, "id": 1, "label": 1}]),
        side_by_side(
            ATTACK, [answer(ATTACK, ATTACK, how=ATTACK, rules={ATTACK: True}, tests=False, reason=ATTACK)] * 2
        ),
        padding_picture([{"prompt": 1, "answer": 1, "padding": 1}]),
    ],
)
def test_nothing_untrusted_becomes_markup(fragment: str) -> None:
    assert not re.search(r"<script|<img|url\(|\sstyle=|\son\w+=", fragment.replace("&lt;img src=x onerror=", ""))
    assert fragment.count("<style>") == 1
    assert "background: var(--ground)" in fragment


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert spelled_out("a\u202eb\x1b[31m\x00\ud800\n\tc") == "a\\u202eb\\x1b[31m\\x00\\ud800\n\tc"
    assert "\\u202e" in side_by_side("\u202e", [])
