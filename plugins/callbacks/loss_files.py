"""Text files with the loss of every step, as in the tutorial that `cgan_mnist.yaml` follows."""

from __future__ import annotations

from typing import Any, ClassVar

from ganlab import Callback, hookimpl


class LossFiles(Callback):
    """Write D's and G's loss to ``Log_D.txt`` and ``Log_G.txt``: one line ``step loss`` per step.

    The files lie in the run's folder. A resumed run continues them from its checkpoint.
    """

    name = "loss-files"

    FILES: ClassVar = (("Log_D.txt", "loss_d"), ("Log_G.txt", "loss_g"))

    def on_run_start(self, run: Any) -> None:
        for file, _ in self.FILES:
            path = run.path / file
            lines = path.read_text().splitlines(keepends=True) if path.exists() else []
            # After a crash the file may have more steps than the checkpoint that the run resumes.
            logged = run.progress.steps - len(run.unlogged)
            path.write_text("".join(lines[:logged]))

    def on_log(self, run: Any, records: list[dict[str, float]]) -> None:
        for file, key in self.FILES:
            with (run.path / file).open("a") as out:
                out.writelines(f"{record['step']:.0f} {record[key]:.6f}\n" for record in records)


@hookimpl
def register_callbacks() -> list[type[Callback]]:
    return [LossFiles]
