"""The command line: one subcommand a stage, and no logic."""

import argparse
import errno
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from qloratory import __version__
from qloratory.config import describe_settings, load_config, suggestion
from qloratory.errors import EXIT_CODES, ConfigError, HardwareError, OutputError, QloratoryError
from qloratory.stop import Stopped, stop_at_once

COMMANDS = {
    "run": "the whole pipeline: baseline, training, fine-tuned and merged answers, scores, report",
    "train": "train the adapter and leave it, clean, in the run directory",
    "generate": "answer the held-out prompts with the base and the adapter, or one prompt with --prompt",
    "evaluate": "score the answers that are in the run directory",
    "merge": "merge the adapter, save the merged model, and compare both token by token",
    "report": "write report.html from the run directory, and show the same on the terminal",
}
DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EFBIG: "a file would be larger than allowed here",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EIO: "the disk does not answer as it should",
}
STOPPED = """Ctrl-C and SIGTERM: in training, a checkpoint is written at the end of the step in progress, and the
program ends; the message says within how many seconds. In any other phase it ends at once. The second time it ends
at once, always. Nothing that was complete is lost: go on with --resume."""
OUT_OF_MEMORY = (
    "the memory does not suffice: set train.gradient_checkpointing=true or quantization.keep_dequantized=false, halve "
    "train.per_device_train_batch_size and double train.gradient_accumulation_steps, or lower generate.batch_size and "
    "evaluate.batch_size; then go on with --resume"
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit code; a problem that the user can act on is one sentence on stderr."""
    try:
        with stop_at_once():
            options = parse(arguments)
            quiet_libraries()
            execute(options)
    except QloratoryError as error:
        return fail(str(error), error.exit_code)
    except Stopped as stopped:
        return fail(str(stopped), stopped.exit_code)
    except Exception as error:
        if lacks_memory(error):
            return fail(OUT_OF_MEMORY, HardwareError.exit_code)
        reason = disk_problem(error)
        if reason is None:
            traceback.print_exc()
            return fail(f"unexpected {type(error).__name__}: {error}", QloratoryError.exit_code)
        return fail(f"{reason}; what was complete is kept, go on with --resume", OutputError.exit_code)
    return 0


def fail(message: str, code: int) -> int:
    print(f"qloratory: {message}", file=sys.stderr)
    return code


def execute(options: argparse.Namespace) -> None:
    recipe = auto_recipe() if str(options.recipe) == "auto" else options.recipe
    config = load_config(recipe, options.overrides)
    # Torch and its company take seconds to import: after the arguments are known to be right.
    from transformers.utils.logging import disable_progress_bar

    from qloratory import pipeline

    disable_progress_bar()
    job = pipeline.make_job(config)
    try:
        run_command(pipeline, job, options)
    finally:
        job.lock.release()


def run_command(pipeline: ModuleType, job: Any, options: argparse.Namespace) -> None:
    if options.command in ("evaluate", "merge", "report") and job.run.path.is_dir():
        job.lock.take(job.run.path)
    match options.command:
        case "run":
            pipeline.run_pipeline(job, resume=options.resume, overwrite=options.overwrite, force=options.force)
        case "train" if options.verify_resume:
            from qloratory.proof import verify_resume

            verify_resume(job.config)
        case "train":
            pipeline.start_run(
                job, resume=options.resume, overwrite=options.overwrite, force=options.force, scored=False
            )
            pipeline.train_stage(job, resume=options.resume, force=options.force)
        case "generate" if options.prompt:
            print(pipeline.answer_one(job, options.prompt, with_adapter=not options.baseline))
        case "generate":
            pipeline.continue_run(job)
            for which in ["baseline"] if options.baseline else ["baseline", "finetuned"]:
                pipeline.generate_stage(job, which)
        case "evaluate":
            pipeline.evaluate_stage(job)
        case "merge":
            pipeline.merge_stage(job, save=True)
        case "report":
            pipeline.report_stage(job)


def auto_recipe() -> Path:
    from qloratory.choose import choose_recipe

    recipe, reason = choose_recipe()
    print(f"Recipe {recipe}: {reason}")
    return recipe


class Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one sentence, the nearest name, exit code 2."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; see qloratory --help")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    arguments = sys.argv[1:] if arguments is None else arguments
    first = arguments[0] if arguments else ""
    if first and not first.startswith("-") and first not in COMMANDS:
        raise ConfigError(f"there is no command {first!r}{suggestion(first, list(COMMANDS))}")
    options, rest = build_parser().parse_known_args(arguments)
    unknown = [argument for argument in rest if argument.startswith("-")]
    if unknown:
        known = ["--resume", "--force", "--overwrite", "--verify-resume", "--prompt", "--baseline", "--help"]
        raise ConfigError(f"there is no option {unknown[0]!r} here{suggestion(unknown[0], known)}")
    options.overrides += rest  # argparse leaves the overrides that stand behind an option
    if getattr(options, "force", False) and not options.resume:
        raise ConfigError("--force goes with --resume; to replace a run, use --overwrite")
    return options


def build_parser() -> Parser:
    parser = Parser(
        prog="qloratory",
        description="Fine-tune a small chat model with QLoRA and see every step proven.",
        epilog=f"A first run:\n  qloratory run configs/smollm2-135m.yaml\n\n{exit_code_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"qloratory {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, meaning in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=meaning,
            description=meaning[0].upper() + meaning[1:] + ".",
            epilog=f"settings, with their defaults:\n{describe_settings()}\n\n{STOPPED}\n\n{exit_code_help()}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("recipe", type=Path, help="YAML file with the settings, or auto: the one for this machine")
        command.add_argument(
            "overrides", nargs="*", metavar="section.name=value", help="settings that replace the recipe's"
        )
        if name in ("run", "train"):
            existing = command.add_mutually_exclusive_group()
            existing.add_argument("--resume", action="store_true", help="go on from the newest good checkpoint")
            existing.add_argument("--overwrite", action="store_true", help="replace the run that is there")
            command.add_argument(
                "--force", action="store_true",
                help="with --resume: go on even if settings that matter, data, model or versions are others",
            )  # fmt: skip
        if name == "train":
            existing.add_argument(
                "--verify-resume", action="store_true",
                help="train nothing, but prove in a few steps that this recipe, killed and resumed, ends with the same "
                "bytes and losses; exit code 9 if not",
            )  # fmt: skip
        if name == "generate":
            command.add_argument("--prompt", help="answer this instead of the held-out prompts, and print the answer")
            command.add_argument("--baseline", action="store_true", help="the base alone, without the adapter")
    return parser


def exit_code_help() -> str:
    return "exit codes:\n" + "\n".join(f"  {code:<4}{meaning}" for code, meaning in EXIT_CODES.items())


def disk_problem(error: BaseException) -> str | None:
    """What a full or closed disk lies behind an error, told by errno or, for torch and safetensors, by its text."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in DISK_ERRORS:
            place = f" ({seen.filename})" if seen.filename else ""
            return DISK_ERRORS[seen.errno] + place
        for code, reason in DISK_ERRORS.items():
            if os.strerror(code) in str(seen):
                return reason
        if "PytorchStreamWriter failed" in str(seen) or "unexpected pos" in str(seen):
            return "a checkpoint could not be written, most likely since the disk is full"
        seen = seen.__cause__ or seen.__context__
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether a GPU's or the machine's memory is used up, told by the type or, for torch on a CPU, by the text."""
    seen: BaseException | None = error
    while seen is not None:
        names = {kind.__name__ for kind in type(seen).__mro__}
        if names & {"OutOfMemoryError", "MemoryError"} or "memory: you tried to allocate" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def quiet_libraries() -> None:
    """Keep the libraries' own talk off the terminal, and their reports to their makers off the network."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    for name in ("TRANSFORMERS_VERBOSITY", "DATASETS_VERBOSITY", "TRL_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(name, "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # On a CPU with bfloat16 instructions it asks for a package whose product is never used here (model.keep_packing).
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="IProgress not found")  # bars as text do as well in a notebook


if __name__ == "__main__":
    sys.exit(main())
