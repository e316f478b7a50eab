"""Prompt masking: which tokens carry loss, and the guard on what the trainer will really see.

Masking comes from the data's shape. The chat template renders the prompt, with the opening of the answer, and
the whole conversation; the tokens in which the second goes on from the first are the completion. Of these, the
answer and its end token keep their ids as labels. Everything else gets -100, the label that cross entropy skips.
"""

import functools
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from qloratory.data import Message, Row
from qloratory.errors import LabelError, TooLongError, one_line
from qloratory.template import render_template
from qloratory.trust import told_as_one_sentence

IGNORED = -100
TOKENIZER_FAILS = "the model's tokenizer fails on a conversation"


def tokenize_rows(
    rows: list[Row], tokenizer: PreTrainedTokenizerBase, max_length: int, places: list[str] | None = None
) -> Dataset:
    """Render, tokenize and label prompt/completion rows.

    Args:
        rows: `{"prompt": [message, …], "completion": [message]}`.
        tokenizer: With a chat template and an end token.
        max_length: In tokens. A row that is longer is an error: a completion is never cut silently.
        places: What to call each row in an error, file:line; without them rows are counted from 1.

    Returns:
        A dataset of `input_ids` and `labels`, in the order of `rows`.

    Raises:
        LabelError: A row is too long, or the template cannot be masked.
    """
    places = places or [f"row {number}" for number in range(1, len(rows) + 1)]
    encoded = [tokenize_row(row, tokenizer, place) for row, place in zip(rows, places, strict=True)]
    surplus = {place: len(row["input_ids"]) - max_length for place, row in zip(places, encoded, strict=True)}
    too_long = {place: tokens for place, tokens in surplus.items() if tokens > 0}
    if too_long:
        raise LabelError(
            f"{len(too_long)} of {len(rows)} rows are longer than train.max_length={max_length} tokens "
            f"(the first is {next(iter(too_long))}, the longest has {max(too_long.values()) + max_length}); cut there, "
            f"they would lose {sum(too_long.values())} tokens, the end token of each among them; "
            "raise train.max_length or shorten them"
        )
    return Dataset.from_list(encoded)


def check_fits(row: Row, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Raise TooLongError on a row that is too long, LabelError on one that the template cannot mask."""
    tokens = len(tokenize_row(row, tokenizer, "this row")["input_ids"])
    beyond = tokens - max_length
    if beyond > 0:
        reason = f"has {tokens} tokens, {beyond} more than train.max_length={max_length}"
        raise TooLongError(f"{reason}; cut there, the end token would be lost", tokens, beyond)


def tokenize_row(row: Row, tokenizer: PreTrainedTokenizerBase, place: str) -> dict[str, list[int]]:
    """One row's `input_ids` and `labels`; what a template writes after the end token is left away."""
    prompt_ids = encode_chat(row["prompt"], tokenizer, add_generation_prompt=True)
    all_ids = encode_chat([*row["prompt"], *row["completion"]], tokenizer, add_generation_prompt=False)
    if all_ids[: len(prompt_ids)] != prompt_ids:
        raise LabelError(
            f"{place}: the chat template renders the prompt differently once an answer follows, so prompt and answer "
            "cannot be told apart; use a template whose conversation starts with the prompt as rendered alone"
        )
    end = last_index(all_ids, tokenizer.eos_token_id)
    if end < len(prompt_ids):
        raise LabelError(
            f"{place}: the chat template does not end an answer with the tokenizer's end token "
            f"{tokenizer.eos_token!r}, so the model would never learn to stop; set the tokenizer's eos_token"
        )
    input_ids = all_ids[: end + 1]
    labels = [IGNORED] * len(prompt_ids) + input_ids[len(prompt_ids) :]
    return {"input_ids": input_ids, "labels": labels}


def encode_chat(
    messages: list[Message], tokenizer: PreTrainedTokenizerBase, *, add_generation_prompt: bool
) -> list[int]:
    """Token ids of a conversation in the tokenizer's chat template.

    Only the template writes control tokens. One that stands in a message, such as an <|im_end|> that would end the
    turn, is taken as the letters that it consists of: by cutting the text within it, and encoding the parts apart.
    So is what the tokenizer's normalizer turns into one, and what becomes one together with the template's text.

    Raises:
        LabelError: The template or the tokenizer fails on it, or a control token cannot be cut.
    """
    rendered = render_chat(messages, tokenizer, add_generation_prompt=add_generation_prompt)
    ids = encode(rendered, tokenizer)
    roles = tuple(message["role"] for message in messages)
    expected = template_tokens(tokenizer, tokenizer.get_chat_template(), roles, add_generation_prompt)
    added, controls = added_ids(tokenizer), control_ids(tokenizer)
    as_letters = controls_as_letters(tokenizer, tokenizer.get_chat_template())
    suspect = any(as_letters.search(message["content"]) for message in messages)
    if not suspect and only(added, ids) == expected:
        return ids

    def encode_marked(edges: bool) -> list[int] | None:
        """By the parts of a rendering that has a mark wherever it is to be cut; None where the template minds them."""
        marked = [message | {"content": mark_text(message["content"], mark, tokenizer, edges)} for message in messages]
        text = render_chat(marked, tokenizer, add_generation_prompt=add_generation_prompt)
        return encode_parts(text.split(mark), tokenizer) if text.replace(mark, "") == rendered else None

    mark = unused_character(messages)
    cut, apart = encode_marked(edges=False), encode_marked(edges=True)
    allowed = expected if apart is None else apart
    if cut is not None and allowed is not None and only(controls, cut) == only(controls, allowed):
        return cut
    if apart is not None:
        return apart
    texts = [message["content"] for message in messages]
    found = {text[start:end] for text in texts for start, end in control_spans(text, tokenizer)}
    raise LabelError(
        "a conversation holds control tokens of the model, and its chat template looks at them, so that they cannot be "
        f"taken as letters; take them out of the text: {', '.join(sorted(found)) or 'one that text and template make'}"
    )


def only(wanted: frozenset[int], ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(token for token in ids if token in wanted)


def encode(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    with told_as_one_sentence(TOKENIZER_FAILS):
        return tokenizer(text, add_special_tokens=False)["input_ids"]


def encode_parts(parts: list[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of the parts one after the other; nothing that stands in two of them becomes one token."""
    ids = encode(parts[0], tokenizer)
    for part in filter(None, parts[1:]):
        ids += encode_within(part, tokenizer)
    return ids


def encode_within(part: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a part that begins within a text: behind a character, since many tokenizers put a space in front."""
    for before in ("\n", "."):
        lead, ids = encode(before, tokenizer), encode(before + part, tokenizer)
        if ids[: len(lead)] == lead:
            return ids[len(lead) :]
    return encode(part, tokenizer)


def mark_text(text: str, mark: str, tokenizer: PreTrainedTokenizerBase, edges: bool) -> str:
    """The text with a mark within each control token; with `edges` also where the text begins and ends."""
    marked = mark.join(cut_controls(text, tokenizer))
    if not edges:
        return marked
    core = marked.strip()  # templates may strip a text: the mark must not keep them from it
    start = marked.index(core)
    return f"{marked[:start]}{mark}{core}{mark}{marked[start + len(core) :]}"


def cut_controls(text: str, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The text in parts in none of which the tokenizer finds a control token."""
    parts, rest = [], [text]
    while rest:
        part = rest.pop()
        places = [start for start, _ in control_spans(part, tokenizer)]
        if not places:
            parts.append(part)
            continue
        bounds = [0, *(place + 1 for place in places), len(part)]
        rest += [part[start:end] for start, end in pairwise(bounds)][::-1]
    return parts


def control_spans(text: str, tokenizer: PreTrainedTokenizerBase) -> list[tuple[int, int]]:
    """Where the tokenizer finds control tokens in a text, without the space around that some of them take along.

    Raises:
        LabelError: One is a single character, which cannot be cut.
    """
    with told_as_one_sentence(TOKENIZER_FAILS):
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    controls = control_ids(tokenizer)
    spans = []
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        if token in controls:
            start = end - len(text[start:end].lstrip())
            end = start + len(text[start:end].rstrip())
            if end - start < 2:
                raise LabelError(
                    f"a text holds {text[start:end]!r}, which is the control token "
                    f"{tokenizer.convert_ids_to_tokens(token)!r} of this model and cannot be taken as letters; "
                    "take it out of the text"
                )
            spans.append((start, end))
    return spans


@functools.lru_cache(maxsize=256)
def template_tokens(
    tokenizer: PreTrainedTokenizerBase, _template: str, roles: tuple[str, ...], opened: bool
) -> tuple[int, ...] | None:
    """The added tokens that the template itself writes around the messages of these roles; None where it fails.

    The template is the tokenizer's, and given for the cache.
    """
    try:
        messages = [{"role": role, "content": "x"} for role in roles]
        ids = encode(render_chat(messages, tokenizer, add_generation_prompt=opened), tokenizer)
    except LabelError:
        return None
    return only(added_ids(tokenizer), ids)


@functools.lru_cache(maxsize=8)
def added_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    return frozenset(tokenizer.added_tokens_decoder)


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


def control_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Tokens that no message may write: the special ones, and others that the template puts around turns.

    Not <think> or <tool_call>, which a model writes within its answers; not <unk>, which stands for what the vocabulary
    lacks.
    """
    return find_controls(tokenizer, tokenizer.get_chat_template())


@functools.lru_cache(maxsize=8)
def find_controls(tokenizer: PreTrainedTokenizerBase, template: str) -> frozenset[int]:
    added = tokenizer.added_tokens_decoder
    turns = template_tokens(tokenizer, template, ("user", "assistant", "user"), False) or ()
    words = {number for number, token in added.items() if token.content.isspace() or token.content.isalnum()}
    special = special_ids(tokenizer) - {tokenizer.unk_token_id}
    return frozenset(special | (set(turns) - words) | {tokenizer.eos_token_id})


@functools.lru_cache(maxsize=8)
def controls_as_letters(tokenizer: PreTrainedTokenizerBase, template: str) -> re.Pattern[str]:
    """Finds the letters of control tokens in a text."""
    added = tokenizer.added_tokens_decoder
    texts = {added[number].content for number in find_controls(tokenizer, template)} - {""}
    return re.compile("|".join(map(re.escape, sorted(texts))) or "(?!)")


def unused_character(messages: list[Message]) -> str:
    """A character of Unicode's private areas that no message holds."""
    used = {character for message in messages for character in message["content"]}
    private = map(chr, [*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE)])
    found = next((character for character in private if character not in used), None)
    if found is None:
        raise LabelError("a conversation holds every character that Unicode leaves to private use; is it a text?")
    return found


def render_chat(messages: list[Message], tokenizer: PreTrainedTokenizerBase, *, add_generation_prompt: bool) -> str:
    """A conversation as the chat template writes it.

    Raises:
        LabelError: The template fails on it; some do on purpose, on a system message for example; or it takes too much.
    """
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:
        raise LabelError(f"the model's chat template cannot be told: {one_line(error)[:200]}") from None
    values = {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": add_generation_prompt}
    return render_template(template, values | tokenizer.special_tokens_map)


def last_index(items: list[int], item: int | None) -> int:
    """Position of the last `item`, or -1."""
    return max((position for position, other in enumerate(items) if other == item), default=-1)


def guard_labels(batches: Any, rows: list[Row], tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Refuse to train unless every row's loss is on its completion and its end token, and nowhere else.

    The check is on text, not on the token positions that made the labels: the tokens that carry loss must read
    as the completion, the tokens before them as the rendered prompt.

    Args:
        batches: The trainer's own collated batches, in the order of the rows: dicts of `input_ids`, `labels`
            and `attention_mask`, a tensor (rows, tokens) or one a row each.
        rows: The prompt/completion rows that were to be trained.
        tokenizer: The tokenizer that the trainer uses.

    Returns:
        Counts over all rows: `rows`, `tokens` (without padding), `supervised_tokens`, and `end_tokens`, the rows whose
        end token is there with loss: all of them, or a row was cut.

    Raises:
        LabelError: With the row, counted from 1, and the reason.
    """
    counts = {"rows": 0, "tokens": 0, "supervised_tokens": 0, "end_tokens": 0}
    for batch in batches:
        for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
            real = mask.bool()
            if (labels[~real] != IGNORED).any():
                raise LabelError(f"row {counts['rows'] + 1}: padding carries loss; refusing to train")
            if counts["rows"] < len(rows):  # a surplus row is caught by the count below
                check_row(
                    ids[real].tolist(), labels[real].tolist(), rows[counts["rows"]], tokenizer, counts["rows"] + 1
                )
            counts["rows"] += 1
            counts["tokens"] += int(real.sum())
            counts["supervised_tokens"] += int((labels != IGNORED).sum())
            counts["end_tokens"] += int((labels == tokenizer.eos_token_id).any())
    if counts["rows"] != len(rows):
        raise LabelError(f"the trainer would see {counts['rows']} of {len(rows)} rows; refusing to train on a part")
    return counts


def check_row(ids: list[int], labels: list[int], row: Row, tokenizer: PreTrainedTokenizerBase, number: int) -> None:
    """Raise LabelError unless exactly the completion and the end token of this row carry loss."""
    supervised = [position for position, label in enumerate(labels) if label != IGNORED]
    if not supervised:
        raise LabelError(f"row {number}: every token is masked, nothing would be learnt from it")
    if any(labels[position] != ids[position] for position in supervised):
        raise LabelError(f"row {number}: a label differs from its token; labels must be a masked copy of the tokens")
    first, last = supervised[0], supervised[-1]
    if len(supervised) != last - first + 1:
        raise LabelError(f"row {number}: the tokens with loss are not in one piece")
    ends = ids[last] == tokenizer.eos_token_id  # by its id: the end token's letters may stand in the answer
    before, learnt = decode(ids[:first], tokenizer), decode(ids[first : last + 1 - ends], tokenizer)
    # Templates may strip the content of a message; apart from that it has to be there to the letter.
    completion = row["completion"][0]["content"].strip()
    prompt = render_chat(row["prompt"], tokenizer, add_generation_prompt=True)
    if before != prompt and "".join(before.split()) == "".join(prompt.split()):
        # Some tokenizers take the space behind a control token away, or put one there: then only tokens can tell.
        prompt = decode(encode_chat(row["prompt"], tokenizer, add_generation_prompt=True), tokenizer)
    if len(before) < len(prompt):
        raise LabelError(f"row {number}: {len(prompt) - len(before)} characters of the prompt carry loss")
    if learnt.strip() != completion:
        raise LabelError(
            f"row {number}: the completion was cut or changed: its loss is on {len(learnt)} characters that end in "
            f"{learnt[-40:]!r}, the completion has {len(completion)} and ends in {completion[-40:]!r}"
        )
    if not ends:
        raise LabelError(
            f"row {number}: the end token {tokenizer.eos_token!r} carries no loss, the model would never learn to stop"
        )
    if set(ids[first:last]) & control_ids(tokenizer):
        raise LabelError(f"row {number}: a control token stands within the completion, which would teach to stop there")
    if before != prompt:
        raise LabelError(f"row {number}: the tokens before the completion are not the rendered prompt")


def describe_tokens(input_ids: list[int], labels: list[int], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Each token by itself, as it is shown to people: `{"text": str, "id": int, "label": int}`."""
    return [
        {"text": decode([token], tokenizer), "id": token, "label": label}
        for token, label in zip(input_ids, labels, strict=True)
    ]


def count_batch(batch: Any) -> list[dict[str, int]]:
    """Tokens of prompt, answer and padding in each row of a collated batch; what carries loss is the answer."""
    counts = []
    for mask, labels in zip(batch["attention_mask"], batch["labels"], strict=True):
        real, learnt = mask.bool(), labels != IGNORED  # (tokens,)
        parts = {"prompt": real & ~learnt, "answer": real & learnt, "padding": ~real}
        counts.append({name: int(part.sum()) for name, part in parts.items()})
    return counts


def decode(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> str:
    with told_as_one_sentence(TOKENIZER_FAILS):
        text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text
