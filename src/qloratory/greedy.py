"""Greedy decoding through the decoder: prompts packed, then one token a row and step, into caches made once.

On a CPU a row that has ended leaves the batch, so that nobody computes for it. On a GPU the step is one CUDA graph
over all rows, and the host looks only now and then whether all have ended.
"""

from typing import Any

import torch

from qloratory.decoder import Decoder, Packed

LOOK_EVERY = 8  # steps between two looks at a GPU: a look waits for it


def decode_greedily(
    decoder: Decoder, prompts: list[list[int]], max_new_tokens: int, ends: list[int]
) -> list[list[int]]:
    """The most likely next token, again and again.

    Args:
        decoder: For at least as many positions as the longest prompt and its answer need.
        prompts: Token ids, none empty.
        max_new_tokens: At which an answer is cut off.
        ends: Tokens that end an answer.

    Returns:
        The new tokens of each prompt, in their order, the end token included.
    """
    state = prefill(decoder, prompts, max_new_tokens)
    if decoder.device.type == "cuda":
        return decode_on_gpu(decoder, state, max_new_tokens, ends)
    return decode_on_cpu(decoder, state, max_new_tokens, ends)


class State:
    """The rows that are being answered: the newest token of each, its position, and the caches of all layers."""

    def __init__(self, tokens: torch.Tensor, positions: torch.Tensor, caches: list[Any]) -> None:
        self.tokens, self.positions, self.caches = tokens, positions, caches

    def move(self, source: int, target: int) -> None:
        """Let row `target` be what row `source` is."""
        length = int(self.positions[source])
        for cache in self.caches:
            for place in cache:
                place[target, :, :length] = place[source, :, :length]
        self.tokens[target], self.positions[target] = self.tokens[source], self.positions[source]


def prefill(decoder: Decoder, prompts: list[list[int]], max_new_tokens: int) -> State:
    """Read all prompts at once; the first new token of each is known then."""
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    room = int(lengths.max()) + max_new_tokens
    row_of_token = torch.arange(len(prompts)).repeat_interleave(lengths).to(decoder.device)
    batch = Packed(
        input_ids=torch.tensor([token for prompt in prompts for token in prompt]).to(decoder.device),
        positions=torch.cat([torch.arange(length) for length in lengths.tolist()]).to(decoder.device),
        starts=torch.cat([torch.zeros(1), lengths.cumsum(0)]).int().to(decoder.device),
        loss_rows=row_of_token[:0],
        targets=row_of_token[:0],
        longest=int(lengths.max()),
    )
    caches = []

    def store(_: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        cache = tuple(new.new_zeros(len(prompts), new.shape[1], room, new.shape[2]) for new in (keys, values))
        for place, new in zip(cache, (keys, values), strict=True):
            place[row_of_token, :, batch.positions] = new
        caches.append(cache)

    hidden = decoder.hidden(batch, store)
    last = (lengths.cumsum(0) - 1).to(decoder.device)
    tokens = decoder.logits(hidden[last]).argmax(-1)
    return State(tokens, lengths.to(decoder.device), caches)


def decode_on_cpu(decoder: Decoder, state: State, max_new_tokens: int, ends: list[int]) -> list[list[int]]:
    answers: list[list[int]] = [[] for _ in state.tokens]
    rows = list(range(len(answers)))  # which prompt each row of the batch answers
    for _ in range(max_new_tokens):
        for place, token in enumerate(state.tokens[: len(rows)].tolist()):
            answers[rows[place]].append(token)
        for place in reversed(range(len(rows))):
            if answers[rows[place]][-1] in ends:
                state.move(len(rows) - 1, place)
                rows[place] = rows[-1]
                rows.pop()
        if not rows or len(answers[rows[0]]) == max_new_tokens:
            break
        positions = state.positions[: len(rows)]
        room = int(positions.max()) + 1
        caches = [tuple(place[: len(rows), :, :room] for place in cache) for cache in state.caches]
        hidden = decoder.extend(state.tokens[: len(rows)], positions, caches)
        state.tokens[: len(rows)] = decoder.logits(hidden).argmax(-1)
        positions += 1
    return answers


def decode_on_gpu(decoder: Decoder, state: State, max_new_tokens: int, ends: list[int]) -> list[list[int]]:
    begun = state.positions.clone()
    stop = torch.tensor(ends, device=decoder.device)
    ended = torch.isin(state.tokens, stop)
    answers = torch.full((len(begun), max_new_tokens), ends[0], device=decoder.device)
    answers[:, 0] = state.tokens

    def step() -> None:
        state.tokens.copy_(decoder.logits(decoder.extend(state.tokens, state.positions, state.caches)).argmax(-1))
        state.positions += 1
        answers.scatter_(1, (state.positions - begun)[:, None], state.tokens[:, None])
        ended.logical_or_(torch.isin(state.tokens, stop))

    graph = None
    for done in range(1, max_new_tokens):
        if graph is not None:
            graph.replay()
        else:
            step()
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                step()
        if done % LOOK_EVERY == 0 and bool(ended.all()):
            break
    return [cut(row, ends) for row in answers.tolist()]


def cut(tokens: list[int], ends: list[int]) -> list[int]:
    """Up to the first end token, which stays."""
    return tokens[: next((place + 1 for place, token in enumerate(tokens) if token in ends), len(tokens))]
