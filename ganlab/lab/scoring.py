"""Scoring runs: from the record where it can be, loading torch only where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlab.errors import GanlabError, Interrupted
from ganlab.evaluation.request import RequestCache, ScoreRequest, known_entry
from ganlab.events import (
    Detail,
    RunFailed,
    RunFinished,
    RunPrinted,
    RunStarted,
    RunTold,
    ScoringStarted,
    Tell,
    from_data,
    ignore,
    phase,
)
from ganlab.lab.workspace import Workspace
from ganlab.run_directory import RunDirectory
from ganlab.sweeping.jobs import AllStopped, Place
from ganlab.sweeping.pool import Pool
from ganlab.sweeping.resources import Slot, places_for

if TYPE_CHECKING:
    from ganlab.evaluation.board import Entry
    from ganlab.evaluation.scorer import Scorer
    from ganlab.sampling import Epoch

WORKER = "ganlab.workers.score"


@dataclass(frozen=True)
class ScoringTask:
    """A run to score, complete enough for another process."""

    number: int
    """Its place among all, from 1."""

    run: str
    """Its folder."""

    epoch: Epoch
    request: dict[str, Any]
    place: Place

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> ScoringTask:
        """Return the task that came as JSON."""
        return cls(**{**data, "place": Place(**data["place"])})


class Scoring:
    """Scores runs as one request asks for, by several processes if that is asked for."""

    def __init__(
        self,
        workspace: Workspace,
        request: ScoreRequest,
        *,
        jobs: int | None = 1,
        tell: Tell = ignore,
    ) -> None:
        self.workspace = workspace
        self.request = request
        self.jobs = jobs
        self.tell = tell
        self.request_cache = RequestCache(request, [*workspace.plugin_folders, Path("plugins")])
        self._announced: set[tuple[Path, Epoch]] = set()

    @cached_property
    def scorer(self) -> Scorer:
        """What computes scores in this process."""
        with phase(self.tell, "loading"):
            from ganlab.evaluation.scorer import Scorer

            return Scorer(
                self.request,
                self.workspace.plugins,
                device=self.workspace.device,
                root=self.workspace.data_root,
                tell=self.tell,
            )

    def entries(
        self, runs: Sequence[RunDirectory], epoch: Epoch = None, *, strict: bool = True
    ) -> list[Entry]:
        """Return the scores of runs, computing those that are not recorded.

        With ``strict`` the first error is raised; else a run that cannot be scored is left out
        with a warning.
        """
        known = self._known(runs, epoch)
        unknown = [run for run in runs if known[run.path] is None]
        if self.score_in_parallel([(run, epoch) for run in unknown]):
            known |= self._known(unknown, epoch)
            unknown = [run for run in unknown if known[run.path] is None]
        if unknown:
            from ganlab.evaluation.scorer import score_runs
            from ganlab.lab.phases import explained

            with explained("scoring"):
                fresh = score_runs(
                    unknown,
                    self.scorer,
                    epoch=epoch,
                    request_cache=self.request_cache,
                    strict=strict,
                    starting=lambda run: self._announce(run, epoch),
                )
            known |= {entry.folder: entry for entry in fresh}
        return [entry for run in runs if (entry := known[run.path]) is not None]

    def _known(self, runs: Sequence[RunDirectory], epoch: Epoch) -> dict[Path, Entry | None]:
        return {
            run.path: known_entry(run, self.request_cache.eval_spec(run.info["dataset"]), epoch)
            for run in runs
        }

    def slots(self, runs: int) -> list[Slot]:
        """Return the slots of processes that score so many runs; none if this one does it."""
        return places_for(runs, self.jobs, use_gpus=self.workspace.device in ("auto", "cuda"))

    def score_in_parallel(self, wanted: Sequence[tuple[RunDirectory, Epoch]]) -> bool:
        """Record missing scores by several processes, if several are asked for.

        Returns False if they are not. A run that cannot be scored is left as it was: scoring it
        in this process raises the reason. Raises `Interrupted` after a signal.
        """
        if not self.slots(len(wanted)):
            return False
        ready = self._to_score(wanted)
        slots = self.slots(len(ready))
        if not slots:
            return True
        request, place = asdict(self.request), self.workspace.place
        tasks = [
            ScoringTask(number, str(run.path), epoch, request, place)
            for number, (run, epoch) in enumerate(ready, start=1)
        ]
        names = {number: _name(*one) for number, one in enumerate(ready, start=1)}
        with phase(self.tell, "scoring", total=len(ready), unit="runs") as scoring:
            for event in Pool(WORKER, slots).run(tasks):
                match event:
                    case RunStarted():
                        self.tell(ScoringStarted(names[event.number]))
                    case RunTold():
                        told = from_data(event.told)
                        if isinstance(told, Detail):
                            self.tell(Detail(f"{names[event.number]}: {told.text}"))
                    case RunPrinted():
                        self.tell(Detail(f"{names[event.number]}: {event.text.strip()}"))
                    case RunFinished():
                        run, epoch = ready[event.number - 1]
                        self._announced.add((run.path, epoch))
                        scoring.advance()
                    case RunFailed():
                        name = names[event.number]
                        self.tell(Detail(f"{name}: not scored, tried again alone"))
                        scoring.advance()
                    case AllStopped():
                        again = "what is scored is recorded; repeat the command to go on"
                        raise Interrupted(event.signal, again)
        return True

    def _to_score(
        self, wanted: Sequence[tuple[RunDirectory, Epoch]]
    ) -> list[tuple[RunDirectory, Epoch]]:
        """Return what is left to score, after real images were measured once for all."""
        ready = []
        for run, epoch in wanted:
            try:
                if self.scorer.prepare(run, epoch):
                    ready.append((run, epoch))
            except GanlabError:
                continue  # it is raised again when the run itself is scored
        self.request_cache.keep(self.scorer.eval_specs())
        return ready

    def _announce(self, run: RunDirectory, epoch: Epoch) -> None:
        if (run.path, epoch) not in self._announced:
            self.tell(ScoringStarted(run.name))


def _name(run: RunDirectory, epoch: Epoch) -> str:
    return f"{run.name} epoch {epoch}" if isinstance(epoch, int) else run.name
