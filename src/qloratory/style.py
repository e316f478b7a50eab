"""The style's rules, each a function on the syntax tree of an answer.

An answer is judged twice: `code_only` looks at the raw text, every other rule at the code in it
(taken out of Markdown fences first), so that a chatty answer still gets credit for what it does well.
"""

import ast
import inspect
import re
import warnings
from collections.abc import Callable

Function = ast.FunctionDef | ast.AsyncFunctionDef
SECTIONS = ("Args", "Returns", "Raises", "Example")
FENCE = re.compile(r"```[ \t]*(?P<language>\w*)[^\n]*\n(?P<code>.*?)(?:```|\Z)", re.DOTALL)
SNAKE_CASE = re.compile(r"_{0,2}[a-z][a-z0-9]*(_[a-z0-9]+)*_{0,2}")
NOT_IMPERATIVE = {"a", "an", "the", "this", "it", "function", "method", "given", "helper", "to", "if", "here"}


def check_style(answer: str) -> dict[str, bool]:
    """Judge one answer of a model by every rule.

    Returns:
        Rule name -> kept, in the order of `RULES`, with `code_only` first. An answer without a parsable
        function keeps no rule at all: "no print" is no merit of an answer that has no code.
    """
    tree = parse(extract_code(answer))
    function = first_function(tree) if tree else None
    if tree is None or function is None:
        return {"code_only": False} | dict.fromkeys(RULES, False)
    return {"code_only": parse(answer) is not None} | {name: rule(tree, function) for name, rule in RULES.items()}


def extract_code(answer: str) -> str:
    """The code of an answer: its first fenced block that defines a function, else the whole answer.

    A fence that the token limit cut off counts to the end of the answer.
    """
    blocks = [match["code"] for match in FENCE.finditer(answer)]
    with_function = [code for code in blocks if "def " in code]
    return next(iter(with_function or blocks), answer)


def parse(code: str) -> ast.Module | None:
    """The syntax tree, or None where the text is not Python. The text comes from a model: anything may be in it."""
    try:
        with warnings.catch_warnings():  # a model's odd escapes are not our user's business
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def first_function(tree: ast.Module) -> Function | None:
    return next((node for node in tree.body if isinstance(node, Function)), None)


def docstring_sections(function: Function) -> dict[str, list[str]]:
    """Split a Google-style docstring: the key "" holds the text before the first section.

    Returns:
        Section name -> its lines, without the section's own indentation and without blank lines.
    """
    sections: dict[str, list[str]] = {"": []}
    current = ""
    for line in (ast.get_docstring(function, clean=True) or "").splitlines():
        heading = line.rstrip().removesuffix(":")
        if heading in SECTIONS and line.rstrip().endswith(":"):
            current = heading
            sections[current] = []
        elif line.strip():
            sections[current].append(line)
    return {name: inspect.cleandoc("\n".join(["", *lines])).splitlines() for name, lines in sections.items()}


def parameters(function: Function) -> list[ast.arg]:
    """All parameters in the order of the signature, `*args` and `**kwargs` among them."""
    given = function.args
    starred = [given.vararg] if given.vararg else []
    double_starred = [given.kwarg] if given.kwarg else []
    return [*given.posonlyargs, *given.args, *starred, *given.kwonlyargs, *double_starred]


def one_function(tree: ast.Module, _: Function) -> bool:
    """Imports aside, the answer is one function and nothing else."""
    others = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return len(others) == 1 and isinstance(others[0], Function)


def snake_case_name(_: ast.Module, function: Function) -> bool:
    return SNAKE_CASE.fullmatch(function.name) is not None


def type_hints(_: ast.Module, function: Function) -> bool:
    """Every parameter and the return have a hint."""
    return function.returns is not None and all(arg.annotation for arg in parameters(function))


def docstring_summary(_: ast.Module, function: Function) -> bool:
    """One line, in the imperative, ending in a period, set off by a blank line."""
    lines = (ast.get_docstring(function) or "").splitlines()
    summary = lines[0].strip() if lines else ""
    set_off = len(lines) == 1 or (len(lines) > 1 and not lines[1].strip())
    return summary.endswith(".") and set_off and is_imperative(summary) and len(docstring_sections(function)[""]) == 1


def is_imperative(summary: str) -> bool:
    """Whether the first word can be a command: "Return", not "Returns", "Returning", "Returned" or "The"."""
    first = summary.split()[0].rstrip(".,:")
    if not first.isalpha() or not first[0].isupper() or first.lower() in NOT_IMPERATIVE:
        return False
    third_person = first.endswith("s") and not first.endswith(("ss", "us", "as"))  # Pass, Focus, Alias
    gerund_or_past = re.fullmatch(r"\w*[aeiouy]\w*(ing|[^e]ed)", first.lower())  # but Bring, Embed, Feed
    return not third_person and (gerund_or_past is None or first in ("Embed", "Shed"))


def docstring_args(_: ast.Module, function: Function) -> bool:
    """`Args:` names exactly the parameters, in their order; no parameters, no section."""
    lines = docstring_sections(function).get("Args", [])
    entries = [re.match(r"\*{0,2}(\w+)(?: ?\([^)]*\))?:\s*\S", line) for line in lines if not line.startswith(" ")]
    named = [entry[1] if entry else None for entry in entries]
    return named == [arg.arg for arg in parameters(function)]


def docstring_returns(_: ast.Module, function: Function) -> bool:
    return bool(docstring_sections(function).get("Returns"))


def docstring_raises(_: ast.Module, function: Function) -> bool:
    """`Raises:` is there, and not empty, exactly when the function has a raise statement."""
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(function))
    section = docstring_sections(function).get("Raises")
    return bool(section) if raises else section is None


def docstring_example(_: ast.Module, function: Function) -> bool:
    """`Example:` has one `>>>` line."""
    lines = docstring_sections(function).get("Example", [])
    return sum(line.lstrip().startswith(">>>") for line in lines) == 1


def no_bare_except(tree: ast.Module, _: Function) -> bool:
    return not any(isinstance(node, ast.ExceptHandler) and node.type is None for node in ast.walk(tree))


def no_print(tree: ast.Module, _: Function) -> bool:
    return not any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree))


Rule = Callable[[ast.Module, Function], bool]
RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        one_function,
        snake_case_name,
        type_hints,
        docstring_summary,
        docstring_args,
        docstring_returns,
        docstring_raises,
        docstring_example,
        no_bare_except,
        no_print,
    )
}
RULE_NAMES = ("code_only", *RULES)
