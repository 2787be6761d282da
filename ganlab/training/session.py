"""A training session: validate the experiment, create or resume the run directory, and train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganlab import distributed
from ganlab.config.experiment import Experiment
from ganlab.config.writer import to_yaml
from ganlab.data.batches import Batches
from ganlab.data.placement import choose_placement
from ganlab.data.prepare import Prepared
from ganlab.errors import RemoteError, RunError, format_error
from ganlab.events import RunEnded, RunPlanned, RunResumed, Tell, ignore
from ganlab.files import write_atomically
from ganlab.plugins import Plugins
from ganlab.run_directory import (
    Progress,
    RunDirectory,
    create_run,
    find_run,
    now,
    read_run,
    run_folder,
    set_aside,
    writing,
)
from ganlab.training import record
from ganlab.training.checkpoint import (
    Stored,
    check_belongs,
    checkpoint_files,
    load_module,
    read_newest,
    restore,
)
from ganlab.training.failures import explain, keep_traceback, source_of, status_of
from ganlab.training.loop import Budget, Diverged, train
from ganlab.training.model import Model, build_model, parameter_count
from ganlab.training.observers import Observers, TrainingEvaluator
from ganlab.training.precision import choose, configure_torch
from ganlab.training.processes import (
    SharedClock,
    check_same_start,
    from_main_process,
    on_main_process,
)
from ganlab.training.signals import stop_signals


@dataclass
class Plan:
    """A run that is validated and built, but has written nothing yet."""

    experiment: Experiment
    text: str
    data: Prepared
    asked: str
    """The dataset of the experiment; it differs from ``data.source`` on a fallback."""

    plugins: Plugins
    folder: Path
    fresh: bool
    """Start over even if the run exists."""

    existing: RunDirectory | None
    model: Model
    batches: Batches
    arguments: Sequence[str]
    """The command line, for the record; empty if the run was started from Python."""

    init_from: dict[str, str] | None
    """The checkpoint with the initial weights; ignored when the run resumes."""

    dataset: dict[str, Any]
    """The entry for the dataset in run.json."""

    @property
    def finished(self) -> bool:
        """True if the run has already used up its budget."""
        run = self.existing
        return (
            run is not None
            and run.info["status"] == "finished"
            and self.budget.share(run.progress) >= 1
        )

    @property
    def budget(self) -> Budget:
        return Budget.of(self.experiment.train, dataset_size=self.batches.size)

    def event(self) -> RunPlanned:
        """Return the plan as an event."""
        options, budget = self.experiment.train, self.budget
        limits = {"images": budget.images, "steps": budget.steps, "seconds": budget.seconds}
        return RunPlanned(
            folder=str(self.folder),
            facts=self.facts(),
            dataset_images=self.batches.size,
            batch_size=options.batch_size,
            images_per_step=options.batch_size * options.d_steps,
            budget={name: v if math.isfinite(v) else None for name, v in limits.items()},
        )

    def facts(self) -> dict[str, str]:
        """Return a description of the plan, by heading."""
        experiment, spec, networks = self.experiment, self.data.spec, self.model.networks
        counts = {role: parameter_count(net.parameters()) for role, net in networks.items()}
        instead = f", instead of {self.asked}" if self.asked != self.data.source else ""
        extras = [part.name for part in (*experiment.regularizers, *experiment.augmentations)]
        return {
            "run": str(self.folder),
            "dataset": (
                f"{self.data.source}{instead}: {len(self.data.images):,} images, "
                f"{spec.channels} x {spec.image_size} x {spec.image_size}, "
                f"{spec.num_classes} classes, {self.batches.placement}"
            ),
            "conditioning": ", ".join(map(str, experiment.conditioning)) or "-",
            "generator": f"{experiment.generator.name}, {counts['generator']:,} parameters",
            "discriminator": (
                f"{experiment.discriminator.name}, {counts['discriminator']:,} parameters"
            ),
            "loss": ", ".join([experiment.loss.name, *extras]),
            "computing": self.model.choices.in_words(),
            "budget": self.budget.in_words(dataset_size=self.batches.size),
        }


def plan(
    experiment: Experiment,
    *,
    text: str,
    data: Prepared,
    asked: str,
    plugins: Plugins,
    runs: Path,
    fresh: bool = False,
    arguments: Sequence[str] = (),
) -> Plan:
    """Build and check everything, so that errors are reported before anything is written."""
    seed = experiment.train.seed
    folder = run_folder(runs, experiment=experiment.name, identity=experiment.identity(), seed=seed)
    there = (folder / "run.json").exists() and not fresh
    existing = from_main_process(lambda: read_run(folder) if there else None)
    if existing is not None and existing.info["identity"] != experiment.identity():
        raise RunError(f"{folder} holds another experiment whose hash starts alike; move it away")
    choices = choose(experiment.train, recorded=existing.info["choices"] if existing else None)
    configure_torch(choices, deterministic=experiment.train.deterministic)
    batches = Batches(
        data,
        batch_size=experiment.train.batch_size,
        seed=seed,
        device=choices.device,
        dtype=choices.dtype,
        flip=experiment.dataset.flip,
        placement=choose_placement(experiment.train.data, data.images, device=choices.device),
        parts=experiment.train.accumulate,
    )
    model = build_model(experiment, data.spec, choices)
    init_from = None
    begun = from_main_process(lambda: bool(existing and checkpoint_files(existing)))
    if experiment.train.init_from and not begun:
        init_from = _init_from(model, experiment.train.init_from, runs)
    return Plan(
        experiment=experiment,
        text=text,
        data=data,
        asked=asked,
        plugins=plugins,
        folder=folder,
        fresh=fresh,
        existing=existing,
        model=model,
        batches=batches,
        arguments=arguments,
        init_from=init_from,
        dataset=record.describe_dataset(data, asked=asked),
    )


def execute(
    plan: Plan,
    *,
    tell: Tell = ignore,
    training_evaluator: TrainingEvaluator | None = None,
    allow_changes: bool = False,
) -> RunDirectory:
    """Train a planned run from the start, or resume it from its newest checkpoint.

    ``training_evaluator`` scores the run at the experiment's intervals. Returns the run, with the
    status ``finished`` or ``interrupted``. Any other failure is recorded in the run and raised.
    """
    tell(plan.event())
    if plan.finished:
        assert plan.existing is not None
        return plan.existing
    run = plan.existing or RunDirectory(plan.folder)
    if distributed.rank() == 0:
        run.lock()
    try:
        stored = from_main_process(lambda: _opened(plan, run, allow_changes=allow_changes))
        if stored is not None:
            restore(run, plan.model, stored)
        else:
            run.progress = Progress()
        settings = [plan.dataset, plan.experiment.resolved(), plan.model.choices.recorded()]
        evaluator = training_evaluator.about if training_evaluator else ""
        check_same_start(plan.model.modules(), about=f"{settings} {evaluator}")
        if run.progress.steps:
            tell(RunResumed(run.progress.steps, run.progress.epochs))
        _train(plan, run, tell, training_evaluator)
    finally:
        run.unlock()
    run.info = from_main_process(lambda: run.info)
    return run


def _opened(plan: Plan, run: RunDirectory, *, allow_changes: bool) -> Stored | None:
    """Create or reopen the run directory; return the checkpoint to resume from, or None."""
    if plan.existing is not None:
        run.reread()
        return _take_up(plan, run, allow_changes=allow_changes)
    if (run.path / "run.json").exists() and not plan.fresh:
        raise RunError(f"another process has started {run.path} just now: repeat the command")
    _create(plan, run)
    return None


def _create(plan: Plan, run: RunDirectory) -> None:
    """Create the run directory. An existing one that is not resumed is set aside."""
    if run.path.exists():
        set_aside(run.path)
    experiment = plan.experiment
    create_run(run, experiment_text=plan.text, config=to_yaml(experiment.resolved()))
    run.info = {
        "experiment": experiment.name,
        "identity": experiment.identity(),
        "seed": experiment.train.seed,
        "status": "running",
        "created": now(),
        "sessions": [],
    }


def _take_up(plan: Plan, run: RunDirectory, *, allow_changes: bool) -> Stored | None:
    """Return the newest undamaged checkpoint, after checking that data and code are the same."""
    stored = read_newest(run, tidy=True)
    if stored is None:
        run.info.pop("best", None)  # from code that may have been fixed since
        return None
    check_belongs(stored, run)
    if not allow_changes:
        plugins = record.describe_plugins(plan.experiment, plan.plugins)
        record.check_unchanged(run, plan.dataset, plugins)
    return stored


def _train(
    plan: Plan, run: RunDirectory, tell: Tell, training_evaluator: TrainingEvaluator | None
) -> None:
    train_options = plan.experiment.train
    observers = Observers(
        run,
        plan.model,
        z_dim=train_options.z_dim,
        bn=train_options.sample_bn,
        seed=train_options.seed,
        tell=tell,
        share=plan.budget.share,
        plugins=plan.plugins,
        callbacks=plan.experiment.callbacks,
        training_evaluator=training_evaluator,
    )
    _start_session(plan, run, processes=distributed.world_size())
    error: BaseException | None = None
    try:
        with stop_signals() as asked, run.files.in_thread():
            clock = SharedClock(run.progress.seconds, asked)
            observers.run_start()
            train(
                run,
                plan.model,
                plan.batches,
                train_options,
                observers=observers,
                should_stop=lambda: clock.signal is not None,
                clock=clock,
                evaluate_every=plan.experiment.eval.options.every if training_evaluator else None,
            )
            status = "finished" if clock.signal is None else "interrupted"
            run.info["signal"] = clock.signal
    except BaseException as caught:
        status, error = status_of(caught), caught
        if isinstance(caught, Diverged):
            observers.log()  # the steps before the failed one
            with distributed.single_process():
                caught.args = (f"{caught}{source_of(caught, plan.model, plan.experiment)}",)
        if isinstance(caught, RemoteError) and caught.traceback:
            keep_traceback(run, caught.traceback)
        explained = explain(caught, run, compiled=bool(plan.model.compiled))
        if explained is not None:
            error = explained
            raise explained from caught
        raise
    finally:
        plan.batches.close()
        _end_session(plan, run, status, error)
        try:
            observers.run_end(error)
        finally:
            tell(RunEnded(str(run.path), status))
    observers.draw_curves()
    observers.animate()


@on_main_process
def _start_session(plan: Plan, run: RunDirectory, *, processes: int) -> None:
    choices = plan.model.choices
    record.forget_peak_memory(choices.device)
    session = {
        "started": now(),
        "argv": list(plan.arguments),
        "device": str(choices.device),
        "data": plan.batches.placement,
        "from_step": run.progress.steps,
        "processes": processes,
        "sync_bn": plan.experiment.train.sync_bn,
        **record.describe_machine(choices.device),
    }
    plugins = record.describe_plugins(plan.experiment, plan.plugins)
    session["plugins"] = {key: plugin["sha256"] for key, plugin in plugins.items()}
    # Budgets and intervals may differ from those of the previous session.
    config = to_yaml(plan.experiment.resolved())
    with writing(run.path):
        write_atomically(run.path / "config.yaml", config.encode())
        record.copy_plugins(run, plan.experiment, plan.plugins)
    run.update(
        status="running",
        error=None,
        choices=choices.recorded(),
        config=record.describe_experiment(plan.experiment),
        dataset=plan.dataset,
        plugins=plugins,
        init_from=plan.init_from or run.info.get("init_from"),
        parameters={
            role: parameter_count(network.parameters())
            for role, network in plan.model.networks.items()
        },
        git=record.describe_git(),
        sessions=[*run.info["sessions"], session],
    )


@on_main_process
def _end_session(plan: Plan, run: RunDirectory, status: str, error: BaseException | None) -> None:
    session = run.info["sessions"][-1]
    session |= {
        "ended": now(),
        "to_step": run.progress.steps,
        "peak_memory_bytes": record.peak_memory_bytes(plan.model.choices.device),
    }
    try:
        run.update(status=status, error=None if error is None else format_error(error))
    except RunError:
        if error is None:  # otherwise, `error` is reported
            raise


def _init_from(model: Model, name: str, runs: Path) -> dict[str, str]:
    """Load initial weights from another run, and return the entry that records their origin."""
    donor = from_main_process(lambda: find_run(name, runs))
    stored = from_main_process(lambda: read_newest(donor))
    if stored is None:
        raise RunError(f"{donor.path} has no checkpoint to start from")
    for module_name, module in model.networks.items():
        load_module(module, stored, module_name)
    if model.ema is not None:
        load_module(model.ema, stored, "ema" if stored.has_average else "generator")
    return {"checkpoint": str(stored.path), "sha256": stored.meta["sha256"]}
