"""An answer before its judge: two processes in one sandbox, a pair of pipes between them.

The answer's process has the code and nothing else. The judge's process has the tests and runs none of the code: it
asks for calls, and gets values (see wire.py). So the answer cannot end the tests early, patch what they use, read
what they expect or write the verdict; it can only give values, and these the judge compares itself.

Plain data reaches the tests as a copy; what a call changes in the containers that it is given, changes in the tests'.
An object of the answer's own classes stays in its process; the tests hold a `Proxy`. Compared with plain data it
counts as the plain data that it extends, or as unequal, whatever its `__eq__` says. Two objects of the answer's own
are compared as their class says, and a test that asks such an object for its length, order or parts believes it:
what a class means is the answer's to say. A function that a test hands over, the answer may call. Tests cannot look
inside the answer's functions (`inspect`).
"""

import builtins
import contextlib
import importlib
import io
import operator
import os
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from qloratory.wire import BASES, CONTAINERS, BrokenError, Packer, Unpacker, receive, send

MAX_OUTPUT_BYTES = 2**20  # printed by the answer in one call
MAX_REASON_LENGTH = 200  # characters
IMMUTABLE: tuple[type[Any], ...] = (int, float, complex, str, bytes, tuple, frozenset)
COMPARE = ("lt", "le", "gt", "ge")
BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift")
OTHER = ("abs", "neg", "pos", "invert", "getitem", "setitem", "delitem", "contains", "len", "iter", "next", "reversed",
         "str", "repr", "hash", "format", "int", "float", "index", "dir")  # fmt: skip
NAMES = {"truth": "bool"} | {name: name.strip("_") for name in (*COMPARE, *BINARY, *OTHER)}


def judge(request: dict[str, Any], answer: "Answer") -> dict[str, Any]:
    """Let the tests speak.

    Args:
        request: `code`, `tests`, `entry_point`: see `sandbox.run_tests`.
        answer: The process that runs the code.

    Returns:
        `passed` and `reason`. The last statement of the tests was reached, or there is another reason.
    """
    try:
        tests = compile("\n".join(request["tests"]), "<tests>", "exec")
        namespace: dict[str, Any] = {"__name__": "__main__"}
        namespace |= answer.load(request["code"], request["entry_point"], names_in(tests))
        exec(tests, namespace)
    except BrokenError as broken:
        return {"passed": False, "reason": answer.explain_end(broken)}
    except BaseException as error:  # the verdict on whatever a test or the answer raises
        return {"passed": False, "reason": describe_error(error)}
    return {"passed": True, "reason": "all tests passed"}


def names_in(code: CodeType) -> list[str]:
    """All names that the code, or a function in it, could look up."""
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in names_in(part)]
    return sorted({*code.co_names, *inner})


def describe_error(error: BaseException) -> str:
    if isinstance(error, SystemExit) and isinstance(error.code, int | None):
        return f"ended early with status {error.code or 0}"
    try:
        text = str(error).strip()
    except BaseException:  # an integer too long to be written, or an object of the answer's that is asked for its text
        text = ""
    line = f"{type(error).__name__}: {text.splitlines()[-1] if text else ''}".removesuffix(": ")[:MAX_REASON_LENGTH]
    return "".join(letter if letter.isprintable() else "?" for letter in line)  # it goes to terminals and files


class Answer:
    """The judge's end: asks the answer's process, and believes it nothing but values."""

    def __init__(self, read_end: int, write_end: int, pid: int) -> None:
        self.read_end, self.write_end, self.pid = read_end, write_end, pid
        self.given: list[Any] = []  # functions and iterators of the tests that the answer may use
        self.held: dict[int, Any] = {}  # number -> (what stands here for an object of the answer's, its proxy)
        self.numbers: dict[int, int] = {}  # id of that -> number

    def load(self, code: str, entry_point: str, names: list[str]) -> dict[str, Any]:
        """Run the code; the `names` that it defines. None replaces what tests rely on, save the function under test."""
        defined = self.ask("load", code, entry_point, names)
        if not isinstance(defined, dict):
            raise BrokenError("sent what is no message")
        return {
            name: value if name == entry_point else own_module(name, value)
            for name, value in defined.items()
            if name in names and (name == entry_point or not (hasattr(builtins, name) or name.startswith("__")))
        }

    def ask(self, operation: str, *operands: Any) -> Any:
        """The value of the operation in the answer's process; raises what it raises there."""
        packer = Packer(self.describe)
        packer.add((operation, operands))
        send(self.write_end, {"nodes": packer.nodes})
        while "reply" not in (message := receive(self.read_end)):
            self.serve(message)
        with untrusted():
            unpacker = Unpacker(message["nodes"], self.make, dict(enumerate(packer.values)))
            for number, node in message["after"].items():
                if type(container := packer.values[int(number)]) in CONTAINERS:
                    unpacker.fill(container, node)
            outcome, value, arguments = unpacker.get(0)
            printed = str(message["printed"])
            raised = make_error(value, arguments) if outcome == "raise" else None
        sys.stdout.write(printed)
        if raised is not None:
            raise raised
        return value

    def serve(self, message: dict[str, Any]) -> None:
        """The answer calls a function that a test gave it, or wants the next value of an iterator."""
        with untrusted():
            unpacker = Unpacker(message["nodes"], self.make)
            number, arguments, keywords = unpacker.get(0)
            function = self.given[number]
        send(self.write_end, answer_call(self.describe, unpacker, lambda: function(*arguments, **keywords)))

    def describe(self, packer: Packer, value: Any) -> list:
        """The node of a value that is no plain data."""
        if id(value) in self.numbers:
            return ["yours", self.numbers[id(value)]]
        for base in BASES:
            if isinstance(value, base):  # a test's own subclass crosses as what it extends
                return packer.describe(base(value))
        if callable(value):
            self.given.append(value)
            return ["function", len(self.given) - 1]
        if hasattr(value, "__next__"):
            self.given.append(value.__next__)
            return ["iterator", len(self.given) - 1]
        raise TypeError(f"a test cannot give the answer a {type(value).__name__}")

    def make(self, unpacker: Unpacker, node: list) -> Any:
        """What stands here for an object of the answer's."""
        kind, number, *parts = node
        if not isinstance(number, int):
            raise TypeError("no number")
        if number not in self.held:
            proxy = Proxy(self)
            value = self.stand_in(kind, proxy, parts, unpacker)
            self.held[number] = value, proxy  # kept, so that no id is used twice
            self.numbers |= {id(value): number, id(proxy): number}
        return self.held[number][0]

    def stand_in(self, kind: str, proxy: "Proxy", parts: list, unpacker: Unpacker) -> Any:
        match kind:
            case "object":
                return proxy
            case "coroutine":
                return self.wait_for(proxy)
            case "extended":
                return extended(proxy, unpacker.get(parts[0]))
            case "error":
                return error_class(*parts)
        raise TypeError("no node")

    async def wait_for(self, proxy: "Proxy") -> Any:
        """The answer's coroutine runs to its end over there, in an event loop of its own."""
        return self.ask("await", proxy)

    def explain_end(self, broken: BrokenError) -> str:
        if str(broken) != "ended early":
            return str(broken)
        _, status = os.waitpid(self.pid, 0)
        return f"ended early with status {os.waitstatus_to_exitcode(status)}"


def own_module(name: str, value: Any) -> Any:
    """The judge's own `math`, where a test relies on the answer's import of it."""
    return importlib.import_module(name) if name in sys.stdlib_module_names and isinstance(value, Proxy) else value


@contextlib.contextmanager
def untrusted() -> Any:
    """Whatever goes wrong in reading a message is the sender's fault."""
    try:
        yield
    except Exception:
        raise BrokenError("sent what is no message") from None


def make_error(kind: Any, arguments: Any) -> BaseException:
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError("no exception")
    try:
        return kind(*arguments)
    except Exception:  # its constructor takes other arguments than it keeps
        return kind.__new__(kind, *arguments)


def error_class(module: str, name: str, base: str) -> type:
    """The judge's class for one of the answer's: the same of the standard library, if a test imported it, or a new."""
    known = getattr(sys.modules.get(module), name, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        return known
    parent = vars(builtins)[base]
    if not issubclass(parent, BaseException):
        raise TypeError("no exception")
    return type(name, (parent,), {})


def extended(proxy: "Proxy", value: Any) -> Any:
    """An immutable value of a class that extends a plain type, such as a named tuple: its value, and its attributes."""
    if type(value) not in IMMUTABLE:
        raise TypeError("no plain value")
    kind: type[Any] = type(value)

    def attribute(_: Any, name: str) -> Any:
        return getattr(proxy, name)

    return type(kind.__name__, (kind,), {"__getattr__": attribute})(value)


class Proxy:
    """Stands for an object in the answer's process: what a test does with it is done there."""

    __slots__ = ("__answer",)  # mangled: all other names are the object's own

    def __init__(self, answer: Answer) -> None:
        object.__setattr__(self, "_Proxy__answer", answer)

    def __ask(self, operation: str, *operands: Any) -> Any:
        answer: Answer = object.__getattribute__(self, "_Proxy__answer")
        return answer.ask(operation, *operands)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.__ask("call", self, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        return self.__ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__ask("setattr", self, name, value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Proxy):
            return self is other or self.__ask("eq", self, other) is True
        plain = self.__ask("plain", self)  # () or (the plain data that it extends,)
        return type(plain) is tuple and len(plain) == 1 and type(plain[0]) in BASES and bool(plain[0] == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __instancecheck__(self, instance: Any) -> bool:
        answer: Answer = object.__getattribute__(self, "_Proxy__answer")
        return id(instance) in answer.numbers and self.__ask("isinstance", instance, self) is True

    def __enter__(self) -> Any:
        return self.__ask("call", self.__getattr__("__enter__"), (), {})

    def __exit__(self, *error: Any) -> Any:
        return self.__ask("call", self.__getattr__("__exit__"), (None, None, None), {})

    def __hash__(self) -> int:  # set below; here, since a class with __eq__ alone has none
        raise NotImplementedError


def add_operations() -> None:
    def forward(operation: str) -> Callable:
        return lambda self, *operands: ask(self, operation, self, *operands)

    def forward_reflected(operation: str) -> Callable:
        return lambda self, operand: ask(self, operation, operand, self)

    ask: Any = vars(Proxy)["_Proxy__ask"]
    for operation, name in NAMES.items():
        setattr(Proxy, f"__{name}__", forward(operation))
    for operation in BINARY:
        setattr(Proxy, f"__r{NAMES[operation]}__", forward_reflected(operation))


add_operations()


def serve_answer(read_end: int, write_end: int) -> None:
    """The answer's end: load the code, then do what the judge asks, until it goes. Nothing here guards anything."""
    served = Served(read_end, write_end)
    while True:
        served.answer(receive(read_end))


class Served:
    """What the answer's process keeps: its objects by number, and what it printed."""

    def __init__(self, read_end: int, write_end: int) -> None:
        self.read_end, self.write_end = read_end, write_end
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.output = LimitedOutput()
        sys.stdout = io.TextIOWrapper(self.output, encoding="utf-8", write_through=True)

    def answer(self, message: dict[str, Any]) -> None:
        unpacker = Unpacker(message["nodes"], self.make)
        operation, operands = unpacker.get(0)
        reply = answer_call(self.describe, unpacker, lambda: self.do(operation, operands))
        send(self.write_end, reply | {"printed": self.take_printed()})

    def do(self, operation: str, operands: tuple) -> Any:
        if operation == "load":
            return load(*operands)
        if operation == "call":
            function, arguments, keywords = operands
            return function(*arguments, **keywords)
        if operation == "plain":
            return next(((base(operands[0]),) for base in BASES if isinstance(operands[0], base)), ())
        if operation == "await":
            import asyncio  # slow to import, and seldom wanted

            return asyncio.run(operands[0])
        return (getattr(operator, operation, None) or getattr(builtins, operation))(*operands)

    def describe(self, packer: Packer, value: Any) -> list:
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        number = self.numbers[id(value)]
        if isinstance(value, type) and issubclass(value, BaseException):
            base = next(kind.__name__ for kind in value.__mro__ if vars(builtins).get(kind.__name__) is kind)
            return ["error", number, value.__module__, value.__qualname__, base]
        for base_type in IMMUTABLE:
            if isinstance(value, base_type):
                return ["extended", number, packer.add(base_type(value))]
        return ["coroutine" if type(value).__name__ == "coroutine" else "object", number]

    def make(self, unpacker: Unpacker, node: list) -> Any:
        kind, number = node
        if kind == "yours":
            return self.objects[number]
        return self.function(number) if kind == "function" else self.iterator(number)

    def function(self, number: int) -> Callable:
        def call(*arguments: Any, **keywords: Any) -> Any:
            packer = Packer(self.describe)
            packer.add((number, arguments, keywords))
            send(self.write_end, {"nodes": packer.nodes})
            while "reply" not in (message := receive(self.read_end)):
                self.answer(message)  # the function itself asks for something of the answer's
            unpacker = Unpacker(message["nodes"], self.make, dict(enumerate(packer.values)))
            outcome, value, error_arguments = unpacker.get(0)
            if outcome == "raise":
                raise make_error(value, error_arguments)
            return value

        return call

    def iterator(self, number: int) -> Any:
        following = self.function(number)
        while True:
            try:
                value = following()
            except StopIteration:
                return
            yield value

    def take_printed(self) -> str:
        printed = self.output.getvalue().decode("utf-8", "replace")
        self.output.seek(0)
        self.output.truncate()
        return printed


class LimitedOutput(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > MAX_OUTPUT_BYTES:
            raise OSError(f"printed more than {MAX_OUTPUT_BYTES // 2**20} MiB")
        return super().write(data)


def load(code: str, entry_point: str, names: list[str]) -> dict[str, Any]:
    """Run the code as a program, and give its only function the expected name where it chose another one."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    namespace = vars(module)
    sys.argv = [""]
    exec(compile(code, "<answer>", "exec"), namespace)
    if entry_point and entry_point not in namespace:
        functions = [value for value in namespace.values() if type(value).__name__ == "function"]
        if len(functions) == 1:
            namespace[entry_point] = functions[0]
    return {name: namespace[name] for name in names if name in namespace}


def answer_call(describe: Callable, unpacker: Unpacker, function: Callable[[], Any]) -> dict[str, Any]:
    """The reply to one message: the function's value or error, and what it left in the containers it was given."""
    try:
        return reply_with(describe, unpacker, ("return", function(), ()))
    except BrokenError:
        raise
    except BaseException as error:  # it belongs to the other side
        return reply_with(describe, unpacker, ("raise", type(error), error.args))


def reply_with(describe: Callable, unpacker: Unpacker, outcome: tuple) -> dict[str, Any]:
    packer = Packer(describe, unpacker.values)
    packer.add(outcome)
    after = {number: packer.describe(value) for number, value in unpacker.values.items() if type(value) in CONTAINERS}
    return {"reply": True, "nodes": packer.nodes, "after": after}
