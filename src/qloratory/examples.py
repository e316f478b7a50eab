"""The report's examples: which prompts are shown, by rule and not by hand, with their answers and verdicts."""

from qloratory.data import Row
from qloratory.facts import WHEN, Facts, verdicts_of
from qloratory.page import Example, Section
from qloratory.picture import compare_answers
from qloratory.wording import number

FIRST_PROMPTS = 4


def describe_examples(facts: Facts) -> Section | None:
    answered = [which for which in facts.answers if which != "merged"]
    if not answered:
        return None
    prompts = facts.answers[answered[0]]
    examples = [make_example(facts, answered, index, why) for index, why in choose_prompts(facts, len(prompts))]
    title = f"Answers {' and '.join(WHEN[which].lower() for which in answered)}"
    scored = any(verdicts_of(facts, which) for which in answered)
    notes = [explain_choice(len(examples), len(prompts), scored)]
    return Section("examples", title, notes, examples=examples)


def explain_choice(shown: int, count: int, scored: bool) -> str:
    if not scored or count <= FIRST_PROMPTS:
        return f"The first {shown} of {number(count)} held-out prompts."
    return (
        f"{shown} of {number(count)} held-out prompts, chosen by rule and not by hand: the first {FIRST_PROMPTS}; of "
        "the others, the first whose answer after training misses a rule or fails its tests; and the one whose answer "
        "before training did best, that is, passed its tests and kept the most rules. Where there is no such answer, "
        "nothing stands in for it."
    )


def choose_prompts(facts: Facts, count: int) -> list[tuple[int, str]]:
    """Indices of the prompts to show, each with the reason; all different."""
    chosen = [(index, f"Held-out prompt {index + 1}") for index in range(min(FIRST_PROMPTS, count))]
    others = range(FIRST_PROMPTS, count)
    after, before = verdicts_of(facts, "finetuned"), verdicts_of(facts, "baseline")
    missed = [index for index in others if index < len(after) and not is_good(after[index])]
    if missed:
        chosen.append((missed[0], "After training, this answer misses a rule or fails its tests"))
    passed = [index for index in others if index < len(before) and before[index]["tests_passed"]]
    passed = [index for index in passed if index not in missed[:1]]
    if passed:
        best = max(passed, key=lambda index: sum(before[index]["rules"].values()))
        chosen.append((best, "Before training, this answer did well"))
    return chosen


def is_good(verdict: Row) -> bool:
    return all(verdict["rules"].values()) and verdict["tests_passed"] is not False


def make_example(facts: Facts, answered: list[str], index: int, why: str) -> Example:
    """One prompt with its answers; an answer to another prompt, of an older or shorter file, is left out."""
    shown = facts.answers[answered[0]][index]
    answers = []
    for which in answered:
        row = next(iter(facts.answers[which][index : index + 1]), {})
        if row.get("prompt") == shown["prompt"]:
            verdict = next(iter(verdicts_of(facts, which)[index : index + 1]), {})
            answers.append(make_answer(WHEN[which], row, verdict))
    return Example(str(shown["id"] or f"Prompt {index + 1}"), why, compare_answers(shown["prompt"], answers))


def make_answer(when: str, row: Row, verdict: Row) -> Row:
    """An answer in the form that `picture.side_by_side` takes."""
    end = "ended by itself" if row["stopped"] else "cut off at the limit"
    return {
        "when": when,
        "text": row["answer"],
        "how": f"{number(row['tokens'])} tokens, {end}",
        "rules": verdict.get("rules", {}),
        "tests": verdict.get("tests_passed"),
        "reason": verdict.get("reason", "not scored"),
    }
