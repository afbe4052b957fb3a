"""The settings of a command, or a sentence about the environment variable that is wrong."""

from typing import Final

from pydantic import ValidationError
from pydantic_settings import SettingsError

from twin_operator.cli.output import fail
from twin_operator.settings import Settings

MISCONFIGURED: Final = 2  # exit code; 1 is a failure that another try may not meet


def read_settings() -> Settings:
    """Return the settings; end the command where they are wrong. Values are not repeated: some are secret."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = "_".join(str(part) for part in first["loc"][:1])
        fail(f"Correct {_variable(place)}: {_clause(first['msg'])}.", MISCONFIGURED)
    except SettingsError as error:  # a list or an object that is no JSON
        name = str(error).partition('"')[2].partition('"')[0]
        fail(f"Correct {_variable(name)}: its value is not JSON, such as [] or {{}}.", MISCONFIGURED)


def _variable(field: str) -> str:
    return f"{Settings.model_config['env_prefix']}{field}".upper()


def _clause(message: str) -> str:
    text = message.removeprefix("Value error, ").rstrip(".")
    return text[:1].lower() + text[1:]
