"""Write the pages that follow from the code: docs/cli.md and docs/components.md."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from ganlab.catalog.record import record_of
from ganlab.cli.group import COMMANDS
from ganlab.components import KINDS
from ganlab.plugins import Plugins

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py: run `make docs` after a change. -->\n"


def command_line() -> str:
    """Return the help of every command."""
    parts = [NOTE, "# The command line\n", _help()]
    for name in COMMANDS:
        parts += [f"\n## ganlab {name}\n", _help(name)]
        command = import_module(f"ganlab.cli.{name}").command
        for inner in getattr(command, "commands", {}):
            parts += [f"\n### ganlab {name} {inner}\n", _help(name, inner)]
    parts.append(
        "\n## Exit codes\n\n"
        "| code | meaning |\n|---|---|\n"
        "| 0 | done |\n"
        "| 1 | the run failed or diverged, or a file could not be read or written |\n"
        "| 2 | the command, the experiment or the dataset is wrong: an unknown command, option, "
        "component, run, class or epoch; a missing or invalid file; an invalid value |\n"
        "| 3 | a plugin is broken or clashes with another one |\n"
        "| 130, 143 | stopped by Ctrl-C or SIGTERM, after everything was saved |\n"
    )
    return "\n".join(parts)


def components() -> str:
    """Return every shipped component with its options."""
    plugins = Plugins()
    plugins.load_installed()
    parts = [NOTE, "# The shipped components\n"]
    for kind in KINDS:
        owners = [o for o in plugins.registered(kind) if o.plugin.source == "built in"]
        if owners:
            parts.append(f"\n## {kind}\n")
        for owner in owners:
            parts += _component(record_of(owner))
    return "\n".join(parts) + "\n"


def _component(record: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {record['name']}\n"
    yield record["doc"]
    if record["paper"]:
        yield f"\n*{record['paper']}*"
    if facts := [f"{name}: {fact}" for name, fact in record["facts"].items() if fact]:
        yield f"\n{'; '.join(facts)}."
    if record["options"]:
        yield "\n| option | type | default | |\n|---|---|---|---|"
        for option in record["options"]:
            cells = (str(cell).replace("|", "\\|") for cell in option.values())
            yield f"| {' | '.join(cells)} |"


def _help(*command: str) -> str:
    """Return what ``ganlab COMMAND --help`` prints."""
    result = subprocess.run(
        [sys.executable, "-m", "ganlab", *command, "--help"],
        cwd=HERE,
        check=True,
        capture_output=True,
        text=True,
    )
    return f"```text\n{result.stdout}```"


PAGES = {"cli.md": command_line, "components.md": components}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (HERE / page).write_text(write())
