"""The errors a user can cause, each with a message that says what to do."""


class StxferError(Exception):
    """Base of every error that the command line prints as one line, without a traceback."""


class DataError(StxferError):
    """A file, line or utterance is not what it must be."""


class ConfigError(StxferError):
    """An option or a configuration value is wrong."""


class StaleError(StxferError):
    """A stage's input was made from something that has changed since."""


class TransferError(StxferError):
    """Parameters asked for cannot be transferred."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error of a library says, its kind where it says nothing."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
