"""The page's modules as one script, for a file that has to stand alone.

Each becomes a function that returns what it exports, in the order in which they need each other. It
knows the forms that our modules use, `import {a, b}`, `import * as a` and `export function`,
`export const` or `export class`, each at the start of a line, and refuses a module with any other.
"""

import re
from functools import cache
from importlib.resources import files
from posixpath import dirname, join, normpath

_IMPORT = re.compile(
    r'^import (?:\{ (?P<names>[^}]+) \}|\* as (?P<whole>\w+)) from "(?P<path>[^"]+)";$'
)
_EXPORT = re.compile(r"^export (?P<rest>(?:async )?(?:function|const|class) (?P<name>\w+).*)$")


@cache
def bundle(entry: str) -> str:
    """The module of this name in api/web with all that it imports; raises ValueError."""
    found: dict[str, str] = {}
    _add(entry, found)
    return "\n".join(['"use strict";', "const modules = {};", *found.values()])


def _add(name: str, found: dict[str, str]) -> None:
    if name in found:
        return
    head, body, exported = [], [], []
    for line in _source(name).splitlines():
        if match := _IMPORT.match(line):
            path = normpath(join(dirname(name), match["path"]))
            _add(path, found)
            head.append(f'const {_bound(match)} = modules["{path}"];')
        elif match := _EXPORT.match(line):
            exported.append(match["name"])
            body.append(match["rest"])
        elif line.startswith(("import ", "export ")):
            raise ValueError(f"{name}: not a form that is known: {line}")
        else:
            body.append(line)
    lines = [*head, *body, f"return {{ {', '.join(exported)} }};"]
    found[name] = "\n".join([f'modules["{name}"] = (() => {{', *lines, "})();"])


def _bound(match: re.Match[str]) -> str:
    return match["whole"] or f"{{ {match['names'].replace(' as ', ': ')} }}"


def _source(name: str) -> str:
    return files("api").joinpath("web", name).read_text(encoding="utf-8")
