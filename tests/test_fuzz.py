"""Anything at all as data, settings and overrides: a result, or one of our errors in one line; never a crash."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from fuzz_reader import SEEDS, read_both_ways
from qloratory.config import Config, load_config, section_class
from qloratory.errors import ConfigError
from qloratory.labels import control_ids, encode_chat, render_chat

EXAMPLES = 300  # of each property; `make fuzz` tries more, guided by coverage
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)

texts = st.text(st.characters(), max_size=20) | st.sampled_from(["", " ", "user", "assistant", "system", "<|im_end|>"])
keys = st.sampled_from(["prompt", "completion", "messages", "role", "content"]) | texts
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))
messages = st.lists(st.fixed_dictionaries({"role": values, "content": values}), max_size=4)
rows = st.fixed_dictionaries({"prompt": values | messages, "completion": values | messages}) | values
lines = st.binary(max_size=60) | st.sampled_from(SEEDS) | rows.map(lambda row: json.dumps(row).encode())


@pytest.mark.promise(f"{EXAMPLES} random files, bytes and JSON of any shape: rows or one line of reason, no crash.")
@quick
@given(st.lists(lines, max_size=6).map(b"\n".join))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    read_both_ways(content)


def refusal(recipe: Path, given_overrides: list[str]) -> str:
    """Why a recipe is refused; nothing where it is not."""
    try:
        load_config(recipe, given_overrides)
    except ConfigError as error:
        return str(error)
    return ""


settings_names = [
    f"{section}.{name}" for section in Config.model_fields for name in section_class(section).model_fields
]
overrides = st.builds(
    lambda name, value: f"{name}={value}",
    st.sampled_from(settings_names) | texts,
    st.text(max_size=20) | values.map(lambda value: json.dumps(value)),
)


@pytest.mark.promise(f"{EXAMPLES} random recipes with random overrides: settings or one line of reason, no crash.")
@quick
@given(recipe=st.binary(max_size=80) | values.map(lambda value: yaml.safe_dump(value).encode()),
       given_overrides=st.lists(overrides | texts, max_size=3))  # fmt: skip
@example(b"[" * 5000, ["train.seed=" + "[" * 5000])
@example(b"a: 2001-13-45", ["train.seed=2001-13-45"])
@example(b"!!int x", ["train.seed=!!int x", "train.seed=!!timestamp x"])
@example(
    b"a: &a [x, x, x, x, x, x, x, x]\n"
    + b"".join(
        b"%c: &%c [%b]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 8)) for name in range(ord("b"), ord("p"))
    )
    + b"train: {seed: *o}\nmodel: {name_or_path: *o}",
    [],
)
def test_any_recipe_is_taken_or_refused(recipe: bytes, given_overrides: list[str]) -> None:
    for text in (recipe, b"model: {name_or_path: x/y}\ntrain: {output_dir: out}\n"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recipe.yaml"
            path.write_bytes(text)
            assert "\n" not in refusal(path, given_overrides)


@pytest.mark.promise(f"{EXAMPLES} random values of each kind for a known setting: taken or refused in a line.")
@quick
@given(name=st.sampled_from(settings_names), value=values)
def test_any_value_of_a_setting_is_taken_or_refused(name: str, value: Any) -> None:
    section, _, setting = name.partition(".")
    recipe: dict[str, Any] = {"model": {"name_or_path": "x/y"}, "train": {"output_dir": "out"}}
    recipe.setdefault(section, {})[setting] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe), encoding="utf-8", errors="surrogatepass")
        assert "\n" not in refusal(path, [])


pieces = st.lists(
    texts | st.sampled_from(["<|im_end|>", "<|im_start|>", "<|im_", "end|>", "\n", "<|endoftext|>", "\ue000"]),
    max_size=6,
)


@pytest.mark.promise(f"{EXAMPLES} random messages with control tokens in them: the template's alone become ones.")
@pytest.mark.parametrize("name", ["tiny_qwen", "tiny_llama"])
def test_no_message_writes_a_control_token(name: str, request: pytest.FixtureRequest) -> None:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(request.getfixturevalue(name))

    @quick
    @given(pieces.map("".join), pieces.map("".join))
    def check(system: str, user: str) -> None:
        conversation = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        ids = encode_chat(conversation, tokenizer, add_generation_prompt=True)
        assert sum(token in control_ids(tokenizer) for token in ids) == 5
        text = render_chat(conversation, tokenizer, add_generation_prompt=True)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text

    check()
