"""The loss of every iteration in two text files, as the tutorial that the default set follows."""

from __future__ import annotations

from typing import Any, ClassVar

from ganlab import Callback, hookimpl


class LossFiles(Callback):
    """Write ``Log_D.txt`` and ``Log_G.txt`` into the run: a line ``iteration loss`` a step."""

    name = "loss-files"

    FILES: ClassVar = (("Log_D.txt", "loss_d"), ("Log_G.txt", "loss_g"))

    def on_run_start(self, run: Any) -> None:
        for file, _ in self.FILES:
            path = run.path / file
            lines = path.read_text().splitlines(keepends=True) if path.exists() else []
            # After a kill the file may be ahead of the checkpoint that the run goes on from.
            logged = run.progress.steps - len(run.unlogged)
            path.write_text("".join(lines[:logged]))

    def on_log(self, run: Any, records: list[dict[str, float]]) -> None:
        for file, key in self.FILES:
            with (run.path / file).open("a") as out:
                out.writelines(f"{record['step']:.0f} {record[key]:.6f}\n" for record in records)


@hookimpl
def register_callbacks() -> list[type[Callback]]:
    return [LossFiles]
