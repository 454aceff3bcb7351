"""What people type: durations, and a task's YAML file; every fault in one sentence of its own."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from advisor.errors import TaskInvalidError
from advisor.task import Task

_UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)
_MAX_TASK_BYTES = 2**20
_SETTING_KINDS = ("bool", "int", "float", "str")
_WORDS = {
    r"^Input should be a valid (dictionary|mapping).*": "it must be a mapping",
    r"^Input should be a valid (tuple|list)": "it must be a list",
    r"^Input should be": "it must be",
    r"^String should have at least 1 character$": "it must not be empty",
    r"^String should have": "it must have",
}


def parse_duration(text: str) -> float:
    """Seconds of "60s", "2m", "1h30m" or "90"; raises TaskInvalidError with an example."""
    match = _DURATION.fullmatch(text.strip())
    parts = match.groups() if match else (None,) * 3
    if all(part is None for part in parts):
        raise TaskInvalidError(
            f"budget: {_short(text)} is no duration; write for instance 60s, 5m or 1h30m"
        )
    seconds = sum(
        float(part) * factor
        for part, factor in zip(parts, _UNIT_SECONDS.values(), strict=True)
        if part is not None
    )
    if not 0 < seconds < math.inf:
        raise TaskInvalidError(
            f"budget: {_short(text)} is no time to measure in; it must be above 0 s"
        )
    return seconds


def read_task(file: Path) -> Task:
    """The task in a YAML file, its data found beside the file or in the working directory.

    Raises TaskInvalidError, one line per fault.
    """
    content = _load(file)
    if not isinstance(content, dict):
        raise TaskInvalidError(
            f"{file}: holds {_kind(content)}; a task is a mapping, such as 'metric: ndcg@20'"
        )
    try:
        task = Task.model_validate(content)
    except ValidationError as error:
        raise TaskInvalidError("\n".join(f"{file}: {line}" for line in faults(error))) from error
    return _with_data_found(task, file)


def faults(error: ValidationError, model: type[BaseModel] = Task) -> list[str]:
    """One sentence per fault: where, what was given, what is allowed."""
    lines = (_fault(fault, model) for fault in error.errors(include_url=False))
    return list(dict.fromkeys(lines))


def _fault(fault: Mapping[str, Any], model: type[BaseModel]) -> str:
    place, given, text = fault["loc"], fault["input"], fault["msg"]
    if place and place[-1] in _SETTING_KINDS:  # one fault per kind that a setting may have
        place, text = place[:-1], "it must be a number, a text, true or false"
    where = ".".join(str(part) for part in place)
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; allowed are {', '.join(_keys(model, place[:-1]))}"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    if fault["type"] == "value_error":
        sentence = text.removeprefix("Value error, ")
        return f"{where}: {sentence}" if where else sentence
    for pydantic_words, words in _WORDS.items():
        text = re.sub(pydantic_words, words, text)
    return f"{where}: {_kind(given)} given; {text[:1].lower()}{text[1:]}"


def _load(file: Path) -> object:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_TASK_BYTES + 1)
    except FileNotFoundError:
        raise TaskInvalidError(f"{file}: no such file") from None
    except OSError as error:
        raise TaskInvalidError(f"{file}: cannot be read: {error.strerror}") from error
    if len(raw) > _MAX_TASK_BYTES:
        raise TaskInvalidError(f"{file}: is larger than 1 MiB; a task is a short YAML file")
    try:
        return yaml.load(raw.decode("utf-8-sig"), Loader=_TaskLoader)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError:
        raise TaskInvalidError(f"{file}: is not text in UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TaskInvalidError(f"{file}: is not YAML: {_yaml_fault(error)}") from error


def _yaml_fault(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    mark = error.problem_mark
    return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"


class _TaskLoader(yaml.SafeLoader):
    """YAML's safe loader that reads 1e-3 as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_TaskLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+"),
    list("-+0123456789"),
)


def _with_data_found(task: Task, file: Path) -> Task:
    if task.data is None:
        return task
    paths = {"path": _found(task.data.path, file, "data.path")}
    if task.data.labels is not None:
        paths["labels"] = _found(task.data.labels, file, "data.labels")
    return task.model_copy(update={"data": task.data.model_copy(update=paths)})


def _found(path: str, file: Path, field: str) -> str:
    given = Path(path).expanduser()
    for place in (file.parent / given, given):
        if place.is_file():
            return str(place.resolve())
    looked = "" if given.is_absolute() else ", neither beside the task nor in the working directory"
    raise TaskInvalidError(f"{file}: {field}: there is no file {path!r}{looked}")


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys that the part of the model at this path has."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            break
        kinds = (field.annotation, *get_args(field.annotation))
        found = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        model = found[0] if found else model
    return list(model.model_fields)


def _kind(content: object) -> str:
    if content is None:
        return "nothing"
    if isinstance(content, Mapping):
        return "a mapping"
    return "a list" if isinstance(content, list) else _short(content)


def _short(content: object) -> str:
    text = repr(content)
    return text if len(text) <= 60 else f"{text[:57]}..."
