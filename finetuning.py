# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tuning a small model with QLoRA
#
# A general chat model becomes a specialist: it will answer every request for a Python function with code alone, typed,
# with a Google-style docstring. You see six ideas that make this possible on one small machine, and each of them is
# measured in front of you:
#
# 1. [QLoRA](#1.-QLoRA:-the-base-in-4-bits): the base in 4 bits
# 2. [LoRA](#2.-LoRA:-a-small-update-beside-a-frozen-weight): a small update beside a frozen weight
# 3. [Prompt masking](#3.-Prompt-masking:-learn-the-answer,-not-the-question): learn the answer, not the question
# 4. [Padding](#4.-Padding-and-the-attention-mask) and the attention mask
# 5. [Before and after](#5.-Before-and-after): baseline and fine-tuned inference
# 6. [Adapter and merged](#6.-Adapter-and-merged-model) model
#
# At the end you find [what is on the disk](#What-is-on-the-disk), and
# [kill a training and resume it](#Kill-it-and-resume-it).
#
# Run the cells from top to bottom. Where a cell works something out by hand, it asserts that the library says the same.

# %% tags=["parameters"]
short_steps = 6  # optimizer steps of the short comparisons
prompts = 24  # held-out prompts to answer, and general chats to remember
recipe = None  # the recipe; None picks the one for this machine
overrides = []  # more settings, such as "train.learning_rate=5e-4"

# %% [markdown]
# The next cell picks what this machine can train: Qwen2.5-0.5B-Instruct where there are an NVIDIA GPU and the
# Hugging Face Hub, else SmolLM2-135M-Instruct, which came with the installation. The tutorial passes once over the
# training data, to be done in minutes.

# %%
from qloratory.cli import quiet_libraries

quiet_libraries()  # before the libraries are imported

import tempfile
import warnings
from pathlib import Path

import bitsandbytes as bnb
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, Markdown
from transformers.utils.logging import disable_progress_bar

from qloratory.choose import choose_recipe
from qloratory.config import load_config
from qloratory.pipeline import make_job

disable_progress_bar()
recipe, reason = (Path(recipe), "it was asked for") if recipe else choose_recipe()
settings = ["train.output_dir=tutorial-finetuned", "train.num_train_epochs=1", f"evaluate.limit={prompts}", *overrides]
job = make_job(load_config(recipe, settings))
print(f"Recipe {recipe}: {reason}.")
print(
    f"Model {job.config.model.name_or_path}, {len(job.training_rows)} training rows, {len(job.tasks)} held-out tasks."
)

# %% [markdown]
# Two helpers draw the tables and set the style of the plots. They hold nothing about fine-tuning.


# %%
def table(header: list[str], rows: list[list]) -> Markdown:
    """A Markdown table, numbers at the right."""
    text = [[str(cell) for cell in row] for row in rows]
    lines = [header, ["---:" if cell[0].isdigit() else "---" for cell in text[-1]], *text]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


plt.rcParams.update({"figure.figsize": (7, 3.2), "figure.facecolor": "white", "axes.facecolor": "white"})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "qloratory"})
get_ipython().run_line_magic("config", "InlineBackend.figure_formats = ['svg']")

# %% [markdown]
# ## 1. QLoRA: the base in 4 bits
#
# Fine-tuning needs the base model in memory, but does not change it. So it can be stored coarsely. We take one real
# weight matrix, and look at its values in blocks of 64, each divided by its largest magnitude.

# %%
from qloratory.model import load_base
from qloratory.plan import NF4_BLOCK, four_bit_candidates

original = load_base(job.config, job.source, quantized=False)
name, layer = next(iter(four_bit_candidates(original, job.config.quantization).items()))
weight = layer.weight.detach().float()  # (out, in)
blocks = weight.reshape(-1, NF4_BLOCK)  # (blocks, 64)
scales = blocks.abs().amax(dim=1, keepdim=True)  # (blocks, 1): one "absmax" a block
print(f"{name}: {tuple(weight.shape)}, {blocks.shape[0]:,} blocks of {NF4_BLOCK} values between -1 and 1 once scaled")

# %% [markdown]
# Four bits can name 16 levels. Trained weights are close to normally distributed, so **NF4** (NormalFloat) puts its
# levels at quantiles of the normal distribution: each level then gets about its share of the values. There is an exact
# zero, seven levels below and eight above it, scaled to end at -1 and 1
# ([Dettmers et al. 2023](https://arxiv.org/abs/2305.14314), appendix E).

# %%
edge = 1 - (1 / 32 + 1 / 30) / 2  # the outermost quantile: halfway between the last of 16 and the last of 15 steps
above = torch.special.ndtri(torch.linspace(0.5, edge, 9, dtype=torch.float64))[1:]
below = -torch.special.ndtri(torch.linspace(0.5, edge, 8, dtype=torch.float64))[1:]
levels = torch.cat([below.flip(0), torch.zeros(1), above]).div(above[-1]).float().to(weight.device)

library_levels = bnb.functional.get_4bit_type("nf4", device=weight.device)
assert torch.allclose(levels, library_levels, atol=1e-6)
print([round(level, 3) for level in levels.tolist()])

# %%
figure, axis = plt.subplots()
axis.hist((blocks / scales).flatten().cpu(), bins=200, color="#9db7d9", label="scaled weights")
axis.vlines(levels.cpu(), 0, axis.get_ylim()[1], color="#b3261e", linewidth=1.2, label="NF4 levels")
axis.set(xlabel="weight / largest magnitude of its block (no unit)", ylabel="number of weights", title=name)
axis.legend(loc="upper left", framealpha=1)
plt.show()

# %% [markdown]
# The levels are dense where the weights are. To quantize is to write down the index of the nearest level, and to
# dequantize is to look it up and scale it back. That is all of NF4, and bitsandbytes computes the same numbers.

# %%
distance = ((blocks / scales)[..., None] - library_levels).abs()  # (blocks, 64, 16)
index = distance.argmin(-1)  # (blocks, 64), 0 to 15: four bits each
by_hand = (library_levels[index] * scales).reshape(weight.shape)

packed, state = bnb.functional.quantize_4bit(weight, blocksize=NF4_BLOCK, quant_type="nf4")
assert torch.equal(by_hand, bnb.functional.dequantize_4bit(packed, state))
print(f"equal to bitsandbytes in all {weight.numel():,} values; index of the first eight: {index[0, :8].tolist()}")

# %% [markdown]
# How much does the rounding cost? We compare with 16 levels at even distances, the obvious choice.

# %%
even = torch.linspace(-1, 1, 16, device=weight.device)
evenly = (even[((blocks / scales)[..., None] - even).abs().argmin(-1)] * scales).reshape(weight.shape)
nf4_error, even_error = (((rounded - weight).norm() / weight.norm()).item() for rounded in (by_hand, evenly))
print(f"relative error: NF4 {nf4_error:.2%}, even levels {even_error:.2%}")

# %% [markdown]
# The scales take room too: 32 bits for each block of 64. **Double quantization** stores the scales themselves in 8
# bits, with one 32-bit scale for 256 of them.

# %%
from qloratory.plan import four_bit_bytes

rows = []
for title, double in (("NF4", False), ("NF4 + double quantization", True)):
    packed, state = bnb.functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=double, blocksize=64)
    measured = packed.nbytes + state.absmax.nbytes + (state.state2.absmax.nbytes if double else 0)
    assert measured == four_bit_bytes(weight.numel(), double)
    rows.append([title, f"{measured:,}", f"{8 * measured / weight.numel():.3f}"])
table(["this weight as", "bytes", "bits a value"], rows)

# %% [markdown]
# Now the whole model, five times: predicted from its shapes alone, then loaded and counted. The embeddings are never
# quantized; in a small model they weigh much.

# %%
from qloratory.model import model_bytes
from qloratory.plan import MIB, empty_model, weight_bytes

four_bit = [
    "model.dtype=bfloat16",
    "quantization.llm_int8_skip_modules=[lm_head]",
    "quantization.keep_dequantized=false",
]
forms = {
    "float32": ["model.dtype=float32", "quantization.load_in_4bit=false"],
    "bfloat16": ["model.dtype=bfloat16", "quantization.load_in_4bit=false"],
    "NF4, the rest bfloat16": [*four_bit, "quantization.bnb_4bit_use_double_quant=false"],
    "NF4 + double quantization, the rest bfloat16": four_bit,
    "as in this recipe": ["quantization.keep_dequantized=false"],
}
rows = []
for title, form in forms.items():
    config = load_config(recipe, [*settings, *form])
    predicted = weight_bytes(empty_model(job.source, getattr(torch, config.model.dtype)), config.quantization) / MIB
    measured = model_bytes(load_base(config, job.source)) / MIB
    assert abs(predicted - measured) < 0.01 * predicted
    rows.append([title, f"{predicted:,.1f}", f"{measured:,.1f}"])
table(["model in", "predicted MiB", "measured MiB"], rows)

# %%
kept = [name for name in job.config.quantization.llm_int8_skip_modules if name != "lm_head"]
print(f"The recipe leaves unquantized: the embeddings{''.join(f', {name}' for name in kept)}")
print(f"and keeps what is not quantized in {job.config.model.dtype}.")

# %% [markdown]
# A recipe may keep more than the embeddings out of 4 bits, for a small model has more to lose, and a CPU computes in
# float32 anyway; the [recipe](configs/smollm2-135m.yaml) says what was measured.
#
# Can one train through a rounded weight? The rounding has no useful gradient, but none is needed: the weight is
# frozen. The gradient for what comes *before* the layer is `g · W`, and W can be dequantized for that.

# %%
quantized = load_base(load_config(recipe, [*settings, *forms["as in this recipe"]]), job.source)
four_bit = quantized.get_submodule(name)
x = torch.randn(3, four_bit.in_features, device=quantized.device, dtype=four_bit.compute_dtype, requires_grad=True)
y = four_bit(x)  # (3, out)
g = torch.randn_like(y)
y.backward(g)

dequantized = bnb.functional.dequantize_4bit(four_bit.weight.data, four_bit.weight.quant_state).to(g.dtype)
assert torch.allclose(x.grad, g @ dequantized, rtol=1e-2 if g.dtype == torch.bfloat16 else 1e-4, atol=1e-3)
assert four_bit.weight.grad is None
print(f"gradient for the input: {tuple(x.grad.shape)}; gradient for the 4-bit weight: {four_bit.weight.grad}")
del original, quantized, distance

# %% [markdown]
# ## 2. LoRA: a small update beside a frozen weight
#
# A frozen base learns nothing. **LoRA** adds to each linear layer a product of two thin matrices, and trains these
# alone: $W + \frac{\alpha}{r} B A$, with $A$ of shape (r, in) and $B$ of shape (out, r)
# ([Hu et al. 2021](https://arxiv.org/abs/2106.09685)). We attach adapters, give one of them a random B, and work out
# its output by hand.

# %%
from qloratory.model import attach_adapter

model = attach_adapter(load_base(job.config, job.source), job.config.lora, seed=0)
lora = model.get_base_model().get_submodule(name)  # PEFT's layer, around the frozen one
A, B = lora.lora_A["default"].weight, lora.lora_B["default"].weight  # (r, in), (out, r)
torch.nn.init.normal_(B, std=0.02)
x = torch.randn(3, lora.in_features, device=A.device)
by_hand = lora.base_layer(x) + job.config.lora.lora_alpha / job.config.lora.r * x @ A.T @ B.T
assert torch.allclose(lora(x), by_hand, atol=1e-4)
print(f"PEFT's layer computes W·x + {job.config.lora.lora_alpha}/{job.config.lora.r}·B·A·x")

# %% [markdown]
# In truth B starts at zero. So a fresh adapter changes nothing, and training starts from exactly the base.

# %%
torch.nn.init.zeros_(B)
question = job.tokenizer("def add(", return_tensors="pt").to(model.device)
with torch.no_grad():
    with_adapter = model(**question).logits
    with model.disable_adapter():
        base_alone = model(**question).logits
assert torch.equal(with_adapter, base_alone)
print(
    f"largest difference between the base and the base with a fresh adapter: {(with_adapter - base_alone).abs().max()}"
)

# %% [markdown]
# An adapter has r · (in + out) parameters. Adam keeps two 4-byte numbers for each parameter that is trained, which is
# where most of the memory of full fine-tuning goes.

# %%
from qloratory.model import trainable_parameters
from qloratory.plan import adapter_parameters

by_formula = adapter_parameters(empty_model(job.source, torch.float32), job.config)
trainable = sum(parameter.numel() for parameter in trainable_parameters(model).values())
everything = model.num_parameters() - trainable
assert by_formula == trainable
print(f"{trainable:,} trainable parameters beside {everything:,} frozen ones: {trainable / everything:.2%}")
print(f"Adam's memory: {8 * trainable / MIB:,.0f} MiB instead of {8 * everything / MIB:,.0f} MiB")

# %% [markdown]
# How large should r be? Three short runs with different ranks, judged by their loss on held-out answers, which is
# the mean of -log p over the tokens of answers that were never trained on.

# %%
from qloratory.data import format_rows, read_jsonl
from qloratory.evaluate import general_loss
from qloratory.labels import tokenize_rows
from qloratory.train import QloraTrainer

heldout = format_rows(read_jsonl(job.config.data.heldout_file), job.formatting_func, job.config.data.heldout_file)
dataset = tokenize_rows(job.training_rows, job.tokenizer, job.config.train.max_length)


def short_run(rows, *more: str) -> tuple[float, int]:
    """Loss on held-out answers after some steps on tokenized rows, and the number of trained parameters."""
    with tempfile.TemporaryDirectory() as folder:
        few = [f"train.max_steps={short_steps}", "train.warmup_steps=1", f"train.output_dir={folder}", *more]
        config = load_config(recipe, [*settings, *few])
        fresh = attach_adapter(load_base(config, job.source), config.lora, config.train.seed)
        QloraTrainer(config, fresh, job.tokenizer, rows).train()
    loss = general_loss(fresh.eval(), job.tokenizer, heldout[:16], config.evaluate)["value"]
    return loss, sum(parameter.numel() for parameter in trainable_parameters(fresh).values())


ranks = {r: short_run(dataset, f"lora.r={r}", f"lora.lora_alpha={2 * r}") for r in (1, 4, 16)}
start = general_loss(model, job.tokenizer, heldout[:16], job.config.evaluate)["value"]
table(
    ["rank r", "trained parameters", "loss on held-out answers"],
    [["no training", 0, f"{start:.3f}"], *([r, f"{count:,}", f"{loss:.3f}"] for r, (loss, count) in ranks.items())],
)

# %% [markdown]
# A higher rank has more to learn with, and more to carry. A few steps tell how fast each one learns, not where it
# would end: r is a setting to be measured on your own task. What is sure is its price, in the middle column.
#
# ## 3. Prompt masking: learn the answer, not the question
#
# A training example is one row of tokens: the rendered prompt, then the answer, then an end token. Each token has a
# **label**, the token that the model should predict there, or -100, at which the loss looks away. Below is the shortest
# example, every token with its id and its label.

# %%
from qloratory.labels import describe_tokens
from qloratory.picture import token_strip

shortest = min(dataset, key=lambda row: len(row["input_ids"]))
HTML(token_strip(describe_tokens(shortest["input_ids"], shortest["labels"], job.tokenizer)))

# %% [markdown]
# The end token has a label. Were it masked too, the model would never learn to stop. What if nothing is masked? We
# train the same steps on the same rows, with each token as its own label, and compare the loss on held-out answers.

# %%
unmasked = dataset.map(lambda row: {"labels": row["input_ids"]})
masked_loss, unmasked_loss = ranks[16][0], short_run(unmasked, "lora.r=16", "lora.lora_alpha=32")[0]
on_prompts = 1 - sum(label != -100 for row in dataset for label in row["labels"]) / sum(map(len, dataset["input_ids"]))
better = "with the mask" if masked_loss < unmasked_loss else "without the mask"
Markdown(
    f"Loss on held-out answers after {short_steps} steps: **{masked_loss:.3f}** with the mask, **{unmasked_loss:.3f}** "
    f"without it; lower {better}. Without the mask, {on_prompts:.0%} of the tokens with loss are the prompt's."
)

# %% [markdown]
# That share of every step teaches the model to ask questions, and to write its own system prompt. With long prompts
# and short answers it is nearly everything. Nothing warns you: the loss falls nicely. So qloratory reads the labels
# that the trainer will really use, before the first step, and refuses.

# %%
from qloratory.errors import LabelError
from qloratory.labels import guard_labels

with tempfile.TemporaryDirectory() as folder:
    config = load_config(recipe, [*settings, f"train.output_dir={folder}"])
    careless = QloraTrainer(config, model, job.tokenizer, unmasked)
    try:
        guard_labels(careless.batches_in_order(), job.training_rows, job.tokenizer)
    except LabelError as error:
        print(f"LabelError: {error}")

# %% [markdown]
# ### What `formatting_func` does
#
# Many tutorials pass TRL's `SFTTrainer` a `formatting_func` that returns one text. In today's TRL there are three
# outcomes, and none of them masks the prompt. First, with the mask asked for:

# %%
from datasets import Dataset
from trl import SFTConfig, SFTTrainer


def labels_of(rows: list[dict], formatting_func, **arguments) -> tuple[str, int, int]:
    """What TRL's trainer would train on in the first row: its text, tokens with loss, all tokens."""
    with tempfile.TemporaryDirectory() as folder:
        args = SFTConfig(
            output_dir=folder, report_to="none", use_cpu=model.device.type == "cpu", bf16=False, **arguments
        )
        data = Dataset.from_list(rows)
        plain = {"model": model, "args": args, "train_dataset": data, "processing_class": job.tokenizer}
        trainer = SFTTrainer(**plain, formatting_func=formatting_func)
        batch = trainer.data_collator([trainer.train_dataset[0]])
    return job.tokenizer.decode(batch["input_ids"][0]), int((batch["labels"] != -100).sum()), batch["labels"].numel()


def one_text(row: dict) -> str:
    return f"Question: {row['question']} Answer: {row['answer']}"


pairs = [{"question": "Write a function that adds.", "answer": "def add(a, b):\n    return a + b"}]
try:
    labels_of(pairs, one_text, completion_only_loss=True)
except ValueError as error:
    print(f"ValueError: {error}")

# %% [markdown]
# It raises, which is the friendly outcome. Second, without asking for the mask, every token gets loss. Third, on data
# in chat form, what the function returns is thrown away without a word, and again every token gets loss.

# %%
text, with_loss, tokens = labels_of(pairs, one_text)
assert with_loss == tokens
print(f"one text: {with_loss} of {tokens} tokens with loss")

chat = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}]
text, with_loss, tokens = labels_of(chat, lambda row: f"My own text: {row['messages']}")
assert "My own text" not in text
print(f"chat form: {with_loss} of {tokens} tokens with loss, and the function's text is not among them")

# %% [markdown]
# Masking comes from the **shape of the data**: prompt and completion, apart. A `formatting_func` in qloratory returns
# these two, and is applied before the trainer sees the data.

# %%
from qloratory.labels import tokenize_row


def formatting_func(row: dict) -> dict:
    return {"prompt": row["question"], "completion": row["answer"]}


shaped = tokenize_row(format_rows(pairs, formatting_func, Path("pairs"))[0], job.tokenizer, "row 1")
with_loss = [label for label in shaped["labels"] if label != -100]
assert job.tokenizer.decode(with_loss) == pairs[0]["answer"] + job.tokenizer.eos_token
print(f"{len(with_loss)} of {len(shaped['labels'])} tokens with loss: {job.tokenizer.decode(with_loss)!r}")

# %% [markdown]
# ## 4. Padding and the attention mask
#
# A batch is a rectangle of tokens, but rows differ in length. The gaps are filled with a padding token, whose label is
# -100. Here are the first rows of the data, as a batch.

# %%
from qloratory.picture import padding_picture

batch = [{"tokens": len(row["input_ids"]), "answer": sum(label != -100 for label in row["labels"])} for row in dataset]
width = max(row["tokens"] for row in batch[:6])
HTML(
    padding_picture(
        [
            {"prompt": row["tokens"] - row["answer"], "answer": row["answer"], "padding": width - row["tokens"]}
            for row in batch[:6]
        ]
    )
)

# %% [markdown]
# The **attention mask** tells the model which tokens are real. We ask a short question alone, then in a batch with a
# longer one, padded on the left: once with the mask and once without.

# %%
from qloratory.labels import render_chat

asked = [
    render_chat([{"role": "user", "content": text}], job.tokenizer, add_generation_prompt=True)
    for text in ("Say hello.", "Explain in two sentences what a binary search does, and when it cannot be used at all.")
]


def last_logits(texts: list[str], side: str, masked: bool) -> torch.Tensor:
    """Logits for the token that follows the first text's last one."""
    batch = job.tokenizer(texts, return_tensors="pt", padding=True, padding_side=side, add_special_tokens=False)
    real = batch["attention_mask"]
    last = real[0].nonzero().max()  # position of the first text's last token
    mask = real if masked else torch.ones_like(real)
    with torch.no_grad(), model.disable_adapter():
        return model(input_ids=batch["input_ids"].to(model.device), attention_mask=mask.to(model.device)).logits[
            0, last
        ]


alone = last_logits(asked[:1], "left", True)
rows = []
for side, masked in (("left", True), ("left", False), ("right", True), ("right", False)):
    logits = last_logits(asked, side, masked)
    rows.append([f"padded {side}, {'with' if masked else 'without'} mask", (logits - alone).abs().max().item()])
table(
    ["the short question in a batch", "largest difference of its logits to alone"],
    [[title, f"{difference:.1e}"] for title, difference in rows],
)

# %%
differences = [row[1] for row in rows]
tolerance = 1e-2 if job.config.model.dtype == "float32" else 0.5  # bfloat16 keeps 8 bits of a number
assert differences[0] < tolerance, "left padding with its mask changes nothing"
assert differences[1] > 10 * differences[0], "without the mask the model reads the padding"
assert max(differences[2:]) < tolerance, "a causal model never looks to the right"

# %% [markdown]
# Left padding with a mask changes nothing, and without it the answer is another one. On the right, the mask hardly
# matters: a causal model never looks to the right. So **training may pad right**, where every position is trained at
# once. But generation writes behind the last token of the row, and with padding there, the model would have to go on
# from padding. So **generation must pad left**:

# %%
for side in ("left", "right"):
    batch = job.tokenizer(asked, return_tensors="pt", padding=True, padding_side=side, add_special_tokens=False)
    batch = batch.to(model.device)
    with torch.no_grad(), model.disable_adapter():
        written = model.generate(**batch, max_new_tokens=12, pad_token_id=job.tokenizer.pad_token_id)
    print(f"padded {side}: {job.tokenizer.decode(written[0, batch['input_ids'].shape[1] :])!r}")

# %% [markdown]
# Padding is wasted work. Two remedies: rows of like length together (qloratory's order by default), or **packing**,
# which puts several short examples into one row. Here is what each leaves empty.

# %%
from trl import pack_dataset

from qloratory.train import SeededLengthSampler

lengths = [len(ids) for ids in dataset["input_ids"]]
size = job.config.train.per_device_train_batch_size


def padding_share(order: list[int]) -> float:
    batches = [[lengths[index] for index in order[start : start + size]] for start in range(0, len(order), size)]
    return 1 - sum(lengths) / sum(len(batch) * max(batch) for batch in batches)


shuffled = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(0)).tolist()
print(f"rows shuffled: {padding_share(shuffled):.1%} padding")
print(f"rows of like length together: {padding_share(list(SeededLengthSampler(size, lengths, seed=0))):.1%} padding")

room = job.config.train.max_length
packed_rows = len(pack_dataset(dataset, seq_length=room))
empty = 1 - sum(lengths) / (packed_rows * room)
print(f"packed: {packed_rows} rows of {room} tokens instead of {len(lengths)} rows, {empty:.1%} of the room empty")

# %% [markdown]
# In a packed row, documents must not see each other. Each document starts counting its positions from zero, and from
# that the model builds a mask of blocks. The proof: the second document's logits are what they are alone, and stay
# the same when the first document is exchanged for another.

# %%
one, two, other = (torch.tensor([dataset[index]["input_ids"]], device=model.device) for index in (0, 1, 2))
other = other.repeat(1, 1 + one.shape[1] // other.shape[1])[:, : one.shape[1]]  # as long as the first


def second_of_pack(first: torch.Tensor, apart: bool) -> torch.Tensor:
    """Logits of document two, packed behind another; `apart` restarts the positions."""
    ids = torch.cat([first, two], dim=1)
    parts = (first, two) if apart else (ids,)
    positions = torch.cat([torch.arange(part.shape[1], device=ids.device) for part in parts])[None]
    with torch.no_grad(), model.disable_adapter():
        return model(input_ids=ids, position_ids=positions, use_cache=False).logits[0, first.shape[1] :]


with torch.no_grad(), model.disable_adapter():
    two_alone = model(input_ids=two, use_cache=False).logits[0]
leak_apart = (second_of_pack(one, True) - two_alone).abs().max().item()
leak_together = (second_of_pack(one, False) - two_alone).abs().max().item()
assert torch.equal(second_of_pack(one, True), second_of_pack(other, True)), "the first document is seen"
assert leak_apart < tolerance < leak_together
print(f"difference to the document alone: kept apart {leak_apart:.1e}, run together {leak_together:.1e}")

# %% [markdown]
# ## 5. Before and after
#
# First the baseline: the base answers held-out prompts, whose functions do not occur in the training data. Then
# training. Then the same call, with the adapter.

# %%
from qloratory.pipeline import evaluate_stage, generate_stage, start_run, train_stage

del model  # its room is needed
start_run(job, resume=False, overwrite=True)
generate_stage(job, "baseline")

# %%
train_stage(job, resume=False)

# %%
metrics = read_jsonl(job.run.metrics)
figure, axis = plt.subplots()
axis.plot([row["step"] for row in metrics], [row["loss"] for row in metrics], color="#0b57d0")
axis.set(xlabel="optimizer step", ylabel="loss on answers (nats a token)", title="Training loss", ylim=(0, None))
plt.show()

# %%
generate_stage(job, "finetuned")
evaluate_stage(job)

# %% [markdown]
# Side by side, on the first held-out prompts. The rules of the style are checked on the syntax tree; the unit tests
# were run in a child process with limits.

# %%
from qloratory.picture import side_by_side
from qloratory.run import read_json

evaluation = read_json(job.run.evaluation)
answers = {which: read_jsonl(job.run.answers(which)) for which in ("baseline", "finetuned")}


def compare(number: int) -> HTML:
    shown = [
        {"when": when, "text": answers[which][number]["answer"], "how": f"{answers[which][number]['tokens']} tokens"}
        | {"rules": verdict["rules"], "tests": verdict["tests_passed"], "reason": verdict["reason"]}
        for when, which in (("Before", "baseline"), ("After", "finetuned"))
        for verdict in [evaluation["details"][which][number]]
    ]
    return HTML(side_by_side(answers["baseline"][number]["prompt"], shown))


compare(0)

# %%
compare(1)

# %% [markdown]
# Two answers prove nothing. Over all of them, with 95 % intervals, since so few prompts leave much to chance:

# %%
measures = {
    "style_full": "answers fully in style",
    "rules_met": "style rules kept",
    "tests_passed": "answers that pass their unit tests",
    "general_loss": "loss on general chat (nats a token)",
}


def cell(score: dict, unit: str) -> str:
    low, high = score["ci95"]
    return f"{score['value']:{unit}} ({low:{unit}} to {high:{unit}})"


table(
    ["measure", "before", "after"],
    [
        [title, *(cell(evaluation[which][measure], ".3f" if measure == "general_loss" else ".1%") for which in answers)]
        for measure, title in measures.items()
    ],
)

# %% [markdown]
# The last line is what was **forgotten**: the loss on answers of general chats, which were never trained on. A rise
# would mean that the model got worse at everything else.
#
# The base is still there, untouched. Switch the adapter off, and the baseline is back, to the last bit.

# %%
from qloratory.model import load_adapter

model = load_adapter(load_base(job.config, job.source), job.run.adapter)
with torch.no_grad():
    finetuned = model(**question).logits
    with model.disable_adapter():
        switched_off = model(**question).logits
assert torch.equal(switched_off, base_alone)
assert not torch.equal(finetuned, base_alone)
print("adapter switched off: the baseline's logits, bit for bit")

# %% [markdown]
# ## 6. Adapter and merged model
#
# An adapter can stay beside its base, or be **merged** into it: W + (α/r)·B·A is computed once, and an ordinary
# model comes out. We run both on the same prompts, and compare their next-token distributions over the answers: the
# KL divergence in nats a token, and how often both would choose the same token.

# %%
from qloratory.pipeline import merge_stage

merge_stage(job, save=True)
evaluate_stage(job)
record = read_json(job.run.record)
table(
    ["model", "MiB of weights", "tokens/s"],
    [[which, facts["model_mib"], facts["tokens_per_second"]] for which, facts in record["models"].items()],
)

# %% [markdown]
# Which weights should the adapter be merged into? It was trained on the rounded ones. There are three choices: those
# rounded weights, written out in full (qloratory's default); the original weights, which the adapter has never
# seen; or the 4-bit weights, rounded once more after the update.

# %%
from qloratory.merge import agreement

with warnings.catch_warnings(record=True) as caught:
    in_4bit = load_adapter(load_base(job.config, job.source), job.run.adapter).merge_and_unload()
print(f"PEFT warns: {caught[0].message}")
told = [
    {"prompt": prompt, "completion": [{"role": "assistant", "content": answer["answer"]}]}
    for prompt, answer in zip(job.prompts, read_jsonl(job.run.answers("finetuned")), strict=True)
]
size = job.config.evaluate.batch_size
merges = record["agreement"] | {"4-bit": agreement(model, in_4bit, job.tokenizer, told, size, "adapter | merged 4-bit")}
table(
    ["merged into", "KL to the adapter (nats a token)", "same choice"],
    [[f"{name} weights", f"{facts['kl']:.1e}", f"{facts['same_argmax']:.2%}"] for name, facts in merges.items()],
)

# %% [markdown]
# Into the dequantized weights, the merged model *is* the adapter, but for rounding in the last bits. Into 4 bits it is
# not, and here is why: the update is small against the steps between the levels, so that rounding anew brings an error
# of the size of the update itself.

# %%
layer = model.get_base_model().get_submodule(name)
update = layer.get_delta_weight("default").detach()  # (out, in)
before = bnb.functional.dequantize_4bit(layer.base_layer.weight.data, layer.base_layer.weight.quant_state).float()
again = bnb.functional.quantize_4bit(before + update, blocksize=NF4_BLOCK, quant_type="nf4")
lost = bnb.functional.dequantize_4bit(*again) - (before + update)
print(f"size of the update, as a share of the weight: {update.norm() / before.norm():.2%}")
print(f"rounding error of merging into 4 bits, as a share of the update: {lost.norm() / update.norm():.0%}")

# %% [markdown]
# And the bytes: `merge_and_unload()` takes the adapter's matrices away and leaves ordinary weights, no longer in 4
# bits.

# %%
from qloratory.merge import merge_adapter

merged = merge_adapter(job.config, job.source, job.run.adapter, "dequantized").get_submodule(name)
for title, module in (("adapter", layer), ("merged", merged)):
    for part, values in module.named_parameters():
        print(f"{title}: {part}, {str(values.dtype).removeprefix('torch.')}, {tuple(values.shape)}")

# %%
folders = (job.run.adapter, job.run.merged_model)
sizes = [sum(file.stat().st_size for file in folder.iterdir()) / MIB for folder in folders]
table(["folder on disk", "MiB"], [[folder.name, f"{mib:,.1f}"] for folder, mib in zip(folders, sizes, strict=True)])

# %% [markdown]
# When to use which? Keep the **adapter** while you experiment, when disk space counts, or when several specialists
# share one base. Ship the **merged** model when it is to run everywhere without PEFT, or as fast as the base does,
# and check its agreement, as above, before you do.
#
# ## What is on the disk

# %%
meanings = {
    "run.json": "settings, versions, machine, hashes of data and model, times, memory",
    "inspect.json": "tokens and labels of one example, and the first batch",
    "metrics.jsonl": "loss and learning rate, a line a step",
    "baseline.jsonl": "answers before",
    "finetuned.jsonl": "answers after",
    "merged.jsonl": "answers of the merged model",
    "evaluation.json": "scores and verdicts",
    "report.html": "all of this on one page",
    job.run.adapter.name: "the clean adapter, for inference: opens in plain PEFT",
    job.run.merged_model.name: "the merged model: opens in plain Transformers",
}


def meaning(path: Path) -> str:
    return "to resume from: adapter, optimizer, order" if path.name.startswith("checkpoint-") else meanings[path.name]


from qloratory.report import write_report

write_report(job.run)
print(f"To be opened in a browser: {job.run.report}")

# %%
table(
    [f"in {job.run.path.name}/", "what it is"], [[path.name, meaning(path)] for path in sorted(job.run.path.iterdir())]
)

# %% [markdown]
# ## Kill it and resume it
#
# A training of many hours will be interrupted one day. We start one in a process of its own, on a few rows, kill it
# without a warning as soon as its first checkpoint is there, and resume it. Then we train once more, undisturbed, and
# compare the adapters byte for byte.

# %%
import hashlib
import subprocess
import sys
import time

from qloratory.checkpoint import newest_good_checkpoint
from qloratory.run import write_jsonl

workshop = Path(tempfile.mkdtemp())
order = sorted(range(len(dataset)), key=lambda index: lengths[index])[:12]
source_rows = read_jsonl(job.config.data.train_file)
write_jsonl(workshop / "train.jsonl", [source_rows[index] for index in order])
small = [f"data.train_file={workshop}/train.jsonl", "train.max_steps=4", "train.save_steps=2"]
small += ["train.per_device_train_batch_size=2", "lora.lora_dropout=0.1"]


def start_training(folder: str, *options: str) -> subprocess.Popen:
    arguments = [*settings, *small, f"train.output_dir={workshop / folder}"]
    command = [sys.executable, "-m", "qloratory.cli", "train", str(recipe), *arguments, *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


victim = start_training("interrupted")
while not (checkpoint := next((workshop / "interrupted").glob("checkpoint-*/trainer_state.json"), None)):
    assert victim.poll() is None, "the training ended before it could be killed"
    time.sleep(0.05)
victim.kill()
victim.wait()
print(f"killed; the newest good checkpoint is {newest_good_checkpoint(workshop / 'interrupted').name}")

# %%
assert start_training("interrupted", "--resume").wait() == 0
assert start_training("undisturbed").wait() == 0


def adapter_hash(folder: str) -> str:
    path = workshop / folder / job.run.adapter.name / "adapter_model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


interrupted, undisturbed = adapter_hash("interrupted"), adapter_hash("undisturbed")
assert interrupted == undisturbed or torch.cuda.is_available()  # a GPU adds up in another order each time
print(f"killed and resumed {interrupted[:16]}, undisturbed {undisturbed[:16]}: equal is {interrupted == undisturbed}")

# %% [markdown]
# ## Where to go from here
#
# - **Your own data.** JSONL with `prompt` and `completion`, or `messages`; any other shape through your own
#   `formatting_func`: `qloratory run RECIPE data.train_file=mine.jsonl data.formatting_func=mine.py:shape`.
# - **Your own style.** The rules are short functions in [style.py](src/qloratory/style.py). Write down what you want,
#   check it by a program, then write the examples; the [data card](data/README.md) tells how these were made.
# - **A bigger model.** `model.name_or_path` takes a Hub id, a folder or a GGUF file of the Llama and Qwen families.
#   Look at the predicted memory, which training prints first; if it is too much, lower
#   `train.per_device_train_batch_size`, or set `train.gradient_checkpointing=true`.
# - **More of this.** The whole run, with every training row seen twice: `make run`. All settings:
#   `qloratory run --help`. What it measured on other machines: [docs/results](docs/results).
