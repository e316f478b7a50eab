"""A GGUF becomes an ordinary model folder in the user's cache: once, whole or not at all, whoever else is at it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFWriter
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import tiny_settings, write_recipe
from processes import CONTEXT, unmeasured
from qloratory.config import ModelSection
from qloratory.errors import ModelError
from qloratory.model import resolve_source
from random_models import SMOLLM2_TEMPLATE

WIDTH, MLP, HEADS, KEY_HEADS, HEAD_WIDTH = 64, 96, 4, 2, 16
MERGES = ["t h", "th e"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIAL, *sorted(ByteLevel.alphabet()), "th", "the"]
SHAPES = {
    "token_embd": (len(TOKENS), WIDTH),
    "output_norm": (WIDTH,),
    "blk.0.attn_norm": (WIDTH,),
    "blk.0.attn_q": (HEADS * HEAD_WIDTH, WIDTH),
    "blk.0.attn_k": (KEY_HEADS * HEAD_WIDTH, WIDTH),
    "blk.0.attn_v": (KEY_HEADS * HEAD_WIDTH, WIDTH),
    "blk.0.attn_output": (WIDTH, HEADS * HEAD_WIDTH),
    "blk.0.ffn_norm": (WIDTH,),
    "blk.0.ffn_gate": (MLP, WIDTH),
    "blk.0.ffn_up": (MLP, WIDTH),
    "blk.0.ffn_down": (WIDTH, MLP),
}


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "Tiny.gguf", MERGES)


def write_gguf(path: Path, merges: list[str]) -> Path:
    """A random Llama of one layer, with a token a byte and what is merged of them."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(TOKENS) - len(SPECIAL)))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(SMOLLM2_TEMPLATE)
    for name, tensor in weights().items():
        writer.add_tensor(f"{name}.weight", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def find(gguf: Path) -> Path:
    return Path(resolve_source(ModelSection(name_or_path=str(gguf))).name_or_path)


def test_a_gguf_is_converted_once_with_its_values(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = find(gguf)
    assert find(gguf) == folder
    assert capsys.readouterr().out.count("Converting Tiny.gguf") == 1
    assert list((tmp_path / "qloratory" / "models").iterdir()) == [folder]
    model, tensors = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True), weights()
    assert torch.equal(model.model.embed_tokens.weight, tensors["token_embd"])
    assert torch.equal(model.model.layers[0].mlp.down_proj.weight, tensors["blk.0.ffn_down"])
    assert torch.equal(model.model.norm.weight, tensors["output_norm"])
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.chat_template == SMOLLM2_TEMPLATE


def test_a_gguf_whose_tokenizer_is_broken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken = write_gguf(tmp_path / "Broken.gguf", ["x y"])
    with pytest.raises(ModelError, match=r"Broken.gguf is not a GGUF that Transformers can read.*out of vocabulary"):
        find(broken)
    assert not list((tmp_path / "cache" / "qloratory" / "models").iterdir())


def test_what_stands_in_the_folders_place_is_told_and_left(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = find(gguf)
    shutil.rmtree(folder)
    folder.write_text("a file of the user's")
    with pytest.raises(ModelError, match=r"Tiny.gguf could not be converted into .*Not a directory"):
        find(gguf)
    assert folder.read_text() == "a file of the user's"
    assert list(folder.parent.iterdir()) == [folder]


def find_at_once(gguf: str, cache: str, start: Any, found: Any) -> None:
    os.environ["XDG_CACHE_HOME"] = cache
    start.wait(60)
    found.put(str(find(Path(gguf))))


@pytest.mark.promise("Of two processes that convert one GGUF at once, both end with the same whole folder.")
def test_two_conversions_at_once_end_with_one_folder(gguf: Path, tmp_path: Path) -> None:
    start, found = CONTEXT.Barrier(2), CONTEXT.SimpleQueue()
    both = [CONTEXT.Process(target=find_at_once, args=(str(gguf), str(tmp_path), start, found)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    folders = {Path(found.get()), Path(found.get())}
    assert set((tmp_path / "qloratory" / "models").iterdir()) == folders
    assert len(folders) == 1
    AutoModelForCausalLM.from_pretrained(folders.pop(), local_files_only=True)


@pytest.mark.promise("A conversion that the disk breaks off is one sentence, and leaves nothing in the cache.")
def test_a_conversion_that_the_disk_breaks_off(gguf: Path, tiny_qwen: Path, tmp_path: Path) -> None:
    """The limit on a file's size is the disk that fills up with the weights."""
    recipe = write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path))
    script = f"ulimit -f 100; exec {sys.executable} -m qloratory.cli generate {recipe} --baseline --prompt Hi "
    done = subprocess.run(
        ["bash", "-c", f"{script} model.name_or_path={gguf}"],
        env=unmeasured() | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "qloratory: a file would be larger than allowed here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "cache" / "qloratory" / "models").iterdir())
