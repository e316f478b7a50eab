"""A tokenizer's file may hold anything: what comes of it is a sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from qloratory.errors import ModelError
from qloratory.model import Source, load_tokenizer

SPECIAL = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
ORDINARY = SPECIAL | {"special": False}


@pytest.fixture
def model(tiny_qwen: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_qwen, tmp_path / "model"))


def change(model: Path, part: str, content: Any) -> Source:
    file = model / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    tokenizer[part] = tokenizer[part] + content if isinstance(content, list) else content
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    return Source(str(model))


@pytest.mark.promise("A tokenizer.json on which the tokenizers library panics, or that is absurd, is one sentence.")
@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        ("model", {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}),
        ("model", {"type": "BPE", "vocab": [], "merges": 7}),
        ("model", {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 7}),
        ("pre_tokenizer", {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}),
        ("pre_tokenizer", {"type": "NoSuch"}),
        (
            "post_processor",
            {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "q", "type_id": 0}}], "pair": [],
             "special_tokens": {}},
        ),
        (
            "post_processor",
            {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}],
             "pair": [{"Sequence": {"id": "B", "type_id": 0}}], "special_tokens": {}},
        ),
        ("added_tokens", 5),
    ],
)  # fmt: skip
def test_a_tokenizer_that_breaks_the_library(part: str, content: Any, model: Path) -> None:
    with pytest.raises(ModelError, match="is the folder complete") as caught:
        load_tokenizer(change(model, part, content))
    assert "\n" not in str(caught.value)


@pytest.mark.promise("A tokenizer with tokens for which the model has no embedding is refused before anything is run.")
def test_tokens_without_an_embedding(model: Path) -> None:
    source = change(model, "added_tokens", [{"id": 1024, "content": "<one_too_many>", **ORDINARY}])
    with pytest.raises(ModelError, match="'<one_too_many>' is number 1024, and the model knows 1,024 tokens"):
        load_tokenizer(source)


def test_a_special_token_that_no_conversation_uses_needs_no_embedding(model: Path) -> None:
    source = change(model, "added_tokens", [{"id": 1024, "content": "<image>", **SPECIAL}])
    assert load_tokenizer(source).convert_tokens_to_ids("<image>") == 1024
    config = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    (model / "tokenizer_config.json").write_text(json.dumps(config | {"pad_token": "<image>"}), encoding="utf-8")
    with pytest.raises(ModelError, match="'<image>' is number 1024"):
        load_tokenizer(source)


def test_an_interrupt_while_loading_is_no_broken_folder(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qloratory.model.AutoTokenizer.from_pretrained", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_tokenizer(Source(str(model)))
