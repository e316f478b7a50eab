"""Prompt masking: which tokens carry loss, and the guard on what the trainer will really see.

Masking comes from the data's shape. The chat template renders the prompt, with the opening of the answer, and
the whole conversation; the tokens in which the second goes on from the first are the completion. Of these, the
answer and its end token keep their ids as labels. Everything else gets -100, the label that cross entropy skips.
"""

import re
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from qloratory.config import one_line
from qloratory.data import Message, Row
from qloratory.errors import LabelError, TooLongError
from qloratory.template import render_template

IGNORED = -100


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
    turn, is taken as the letters that it consists of.
    """
    controls = control_tokens(tokenizer)
    mark = unused_character(messages)  # parts the letters of a control token, so that the template's can be told
    marked = [
        message | {"content": controls.sub(lambda found: f"{found[0][0]}{mark}{found[0][1:]}", message["content"])}
        for message in messages
    ]
    rendered = render_chat(marked, tokenizer, add_generation_prompt=add_generation_prompt)
    if mark not in rendered:
        return tokenizer(rendered, add_special_tokens=False)["input_ids"]
    ids: list[int] = []
    for piece in controls.split(rendered):  # in turns what stands between control tokens, and one of them
        as_letters = not controls.fullmatch(piece)
        text = piece.replace(mark, "")
        ids += tokenizer(text, add_special_tokens=False, split_special_tokens=as_letters)["input_ids"]
    return ids


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Finds the tokenizer's special tokens in a text, the longest first where several begin alike."""
    texts = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special} - {""}
    longest_first = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    return re.compile(f"({longest_first})" if texts else "((?!))")  # the latter finds nothing


def control_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}


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
    text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text
