"""Joins the page's modules to one: a browser takes longer to ask for thirty than to run them."""

import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import (?P<names>.+) from "\./(?P<module>[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:class|const|function) (\w+))", re.MULTILINE)


def joined(modules: Mapping[str, str], first: str) -> str:
    """One module that does what `first` does, with all that it imports of `modules`.

    Each of them becomes a function that runs once, after those that it imports. They are written
    for this: an import is a line of its own, no two import each other, and exported are classes,
    functions and constants where they are made. Imports of other modules stay what they are.
    """
    ours: dict[str, str] = {}
    others: dict[str, None] = {}

    def add(name: str) -> None:
        for found in _IMPORT.finditer(modules[name]):
            if found["module"] not in modules:
                others[found[0]] = None
            elif found["module"] not in ours:
                add(found["module"])
        ours[name] = _function_of(name, modules)

    add(first)
    return "\n".join(["".join(others), "const modules = {};", *ours.values()])


def _function_of(name: str, modules: Mapping[str, str]) -> str:
    def taken(found: re.Match[str]) -> str:
        if found["module"] not in modules:
            return ""
        names = found["names"].removeprefix("* as ")
        return f'const {names} = modules["{found["module"]}"];\n'

    text = modules[name]
    body = _EXPORT.sub("", _IMPORT.sub(taken, text))
    exported = ", ".join(_EXPORT.findall(text))
    return f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n'
