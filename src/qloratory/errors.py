"""What can go wrong through no fault of the code: one sentence for the user, one exit code for the shell."""


class QloratoryError(Exception):
    """A problem that the user can act on. The message says what to do; the command line prints it alone."""

    exit_code = 1
    meaning = "an unexpected error: a defect of qloratory's, please report it with the traceback"


class ConfigError(QloratoryError):
    exit_code = 2
    meaning = "a command, recipe or setting is wrong"


class DataError(QloratoryError):
    exit_code = 3
    meaning = "a data file is missing, broken or empty"


class ModelError(QloratoryError):
    exit_code = 4
    meaning = "a model, adapter or checkpoint is missing, broken or does not fit"


class HardwareError(QloratoryError):
    exit_code = 5
    meaning = "the machine lacks what the recipe needs"


class OutputError(QloratoryError):
    exit_code = 6
    meaning = "the output directory cannot be written, or lacks what a command reads from it"


class LabelError(QloratoryError):
    exit_code = 7
    meaning = "the guard refused to train: the labels are not what was asked for"


class TooLongError(LabelError):
    """A row beyond train.max_length: how many tokens it has, and how many of them beyond."""

    def __init__(self, message: str, tokens: int = 0, beyond: int = 0) -> None:
        super().__init__(message)
        self.tokens, self.beyond = tokens, beyond


class TrainingError(QloratoryError):
    exit_code = 8
    meaning = "training went wrong: the loss or a gradient is not a number any more"


class ResumeError(QloratoryError):
    exit_code = 9
    meaning = "resuming would not be the same run, or --verify-resume found that it is not"


INTERRUPTED_EXIT_CODE = 130
TERMINATED_EXIT_CODE = 143

EXIT_CODES: dict[int, str] = {
    0: "all went well",
    **{
        error.exit_code: error.meaning
        for error in (
            QloratoryError,
            ConfigError,
            DataError,
            ModelError,
            HardwareError,
            OutputError,
            LabelError,
            TrainingError,
            ResumeError,
        )
    },
    INTERRUPTED_EXIT_CODE: "stopped by Ctrl-C (SIGINT); in training after a checkpoint at the step's end",
    TERMINATED_EXIT_CODE: "stopped by SIGTERM, in the same way",
}


def one_line(error: object) -> str:
    return " ".join(str(error).split())
