"""The chat template, rendered where it can do no harm: in a process of its own, with little time and memory.

A chat template comes with the model and is a program. Jinja's sandbox lets it do nothing but compute, yet that without
end: loops within loops, texts of gigabytes. Python cannot interrupt all of it (a sum of a million lists is one call),
so a process that holds no model and no data renders, for all conversations, and the kernel ends it.

For one conversation a template may take SECONDS of processor time, MEMORY_MIB and CHARACTERS; for many, no more than
EACH_SECONDS each on average.
"""

import atexit
import importlib.util
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from qloratory.errors import LabelError, one_line

SECONDS = 3.0
EACH_SECONDS = 0.05
MEMORY_MIB = 512
CHARACTERS = 2**24  # a conversation has at most some million
ADVICE = "choose a model with another template"
LAUNCH = "import sys; sys.path += sys.argv[1:]; from qloratory.template import serve; serve()"


class Renderer:
    """The process that renders: started at the first need, and again after it was ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """The process; it needs some 0.1 s to be ready, in which its starter can do something else."""
        if self.process is not None and self.process.poll() is not None:
            self.stop()
        if self.process is None:
            packages = [importlib.util.find_spec(name) for name in ("qloratory", "jinja2", "markupsafe")]
            folders = {str(Path(spec.origin).parents[1]): None for spec in packages if spec and spec.origin}
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCH, *folders],
                env={name: os.environ[name] for name in ["TZ"] if name in os.environ},  # templates may ask for the date
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for its parent, whose end is its own
            )
        return self.process

    def ask(self, request: dict[str, Any]) -> dict[str, str]:
        """The process's answer: `text` or `error`."""
        with self.lock:
            process = self.start()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                answer = process.stdout.readline(16 * CHARACTERS)
            except BrokenPipeError:
                answer = b""
            except BaseException:  # the answer would be taken for the next request's
                self.stop()
                raise
            if answer.endswith(b"\n"):
                return json.loads(answer)
            status = self.stop()
        if status == -signal.SIGPROF:
            return {"error": f"it takes more than {SECONDS:.0f} seconds of computing; {ADVICE}"}
        return {"error": f"the process that renders it has ended (status {status}); {ADVICE}"}

    def stop(self) -> int:
        """End the process; its status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with process:
            process.kill()  # without effect where it has ended by itself
        return process.returncode


RENDERER = Renderer()
atexit.register(RENDERER.stop)


def render_template(template: str, values: dict[str, Any]) -> str:
    """What the template writes, character for character as Transformers' `apply_chat_template` has it.

    Raises:
        LabelError: It fails, some do on purpose, on a system message for example; or it takes too much.
    """
    answer = RENDERER.ask({"template": template, "values": values})
    if "error" in answer:
        raise LabelError(f"the model's chat template fails on a conversation: {answer['error']}")
    return answer["text"]


def serve() -> None:
    """What the process does: a line of JSON in, a line of JSON out, within the limits."""
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_MIB * 2**20),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))
    compiled = lru_cache(8)(make_environment().from_string)
    seconds = SECONDS
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, whatever it is at
        answer = answer_line(line, compiled)
        left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        seconds = min(SECONDS, left + EACH_SECONDS)
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def answer_line(line: bytes, compiled: Any) -> bytes:
    try:
        request = json.loads(line)
        text = compiled(request["template"]).render(request["values"])
        if len(text) > CHARACTERS:
            return json.dumps({"error": f"it writes more than {CHARACTERS:,} characters; {ADVICE}"}).encode()
        return json.dumps({"text": text}).encode()
    except MemoryError:
        return json.dumps({"error": f"it takes more than {MEMORY_MIB} MiB of memory; {ADVICE}"}).encode()
    except Exception as error:  # a template is a program: anything may come out of it
        return json.dumps({"error": one_line(str(error)[:1000])[:200] or type(error).__name__}).encode()


def make_environment() -> Any:
    """Jinja as Transformers sets it up for chat templates (transformers.utils.chat_template_utils)."""
    from jinja2 import nodes
    from jinja2.exceptions import SecurityError, TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from jinja2.utils import Namespace

    class Generation(Extension):
        """{% generation %} … {% endgeneration %} stands around an answer in some templates, and writes nothing."""

        tags = {"generation"}  # noqa: RUF012 (Jinja's way)

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("write"), [], [], body).set_lineno(line)

        def write(self, caller: Any) -> str:
            return caller()

    class PublicNamespace(Namespace):
        """Without names that begin with an underscore, by which a template could reach Python's inside."""

        def __init__(*args: Any, **values: Any) -> None:  # a value may be called self
            for name in dict(*args[1:], **values):
                check_name(name)
            Namespace.__init__(*args, **values)

        def __setitem__(self, name: str, value: Any) -> None:
            check_name(name)
            super().__setitem__(name, value)

    class Dict:
        """`dict` without the attributes of Python's class."""

        def __call__(self, *args: Any, **values: Any) -> dict[Any, Any]:
            return dict(*args, **values)

        def fromkeys(self, *args: Any) -> dict[Any, Any]:
            return dict.fromkeys(*args)

    def check_name(name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            raise SecurityError(f"a namespace cannot hold the name {name!r}")

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def to_json(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = to_json
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.now().strftime(form),
        "dict": Dict(),
        "namespace": PublicNamespace,
    }
    return environment
