"""A study: trials of one search space, in a folder that several processes share.

Owns optuna's storage, sampler and pruner, the splits of the trials, and which study a folder holds.
Knows nothing of how a trial runs or of the report.
"""

import json
import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

import optuna
from filelock import FileLock, Timeout

from agents.config.loading import UserError, flattened, read_values
from agents.config.train import TrainConfig
from agents.runs.files import write_yaml
from agents.tune.space import Space
from agents.tune.trial import TrialFailedError, run_trial
from lm_envs.tasks.splits import SplitSpec

DATABASE, SETTINGS, TRIALS = "study.sqlite", "study.yaml", "trials"
"""Files of a study folder: optuna's database, what the study is, and the runs of the trials."""

PRUNERS = ("median", "hyperband", "none")
HELD_OUT_PERCENT = 25.0
"""Of the validation split, which judges the trials of a configuration that learns from it."""

HEARTBEAT_S, GRACE_S = 10, 60
"""A process signs its trial every 10 s; one without a sign for 60 s was killed, and is repeated.

On one machine a kill is known at once, since it releases the lock of the process.
"""

LOCK, WORKER_LOCK = ".lock", ".worker-{}.lock"
"""Locks of a study folder: while it is opened, and of each process that runs trials."""

WORKER = "worker"
"""Attribute of a trial: the process that runs it."""

REPEATS = "repeats"
"""Attribute of a repeated trial: the number of its first attempt."""

ERROR = "error"
"""Attribute of a failed trial: one line. A trial that was stopped by a signal has none."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study searches.

    Attributes:
        pruner: One of `PRUNERS`.
        startup: Trials before the sampler learns from results and the median pruner stops any.
    """

    pruner: str = "median"
    startup: int = 5


def tuning_splits(config: TrainConfig) -> TrainConfig:
    """Returns the configuration of trials: judged on validation examples, to the whole budget.

    A configuration that learns from "validation" learns from its first 75 % and is judged on the
    rest; any other is judged on its own part of "validation", or on all of it.

    Raises:
        UserError: If the configuration learns from the test split, or from a part of "validation".
    """
    learned, judged = SplitSpec.parse(config.env.split), SplitSpec.parse(config.evaluation.split)
    env = config.env
    if learned.name == "test":
        raise UserError("Got env.split='test'; allowed in a study: 'train' or 'validation'.")
    if judged.name != "validation":
        judged = SplitSpec("validation")
    if not learned.is_disjoint(judged):
        if learned != SplitSpec("validation"):
            raise UserError(
                f"Got env.split={str(learned)!r} and evaluation.split={str(judged)!r}; allowed in "
                "a study: all of 'validation', or parts such as '[:75%]' and '[75%:]'."
            )
        first = 100.0 - HELD_OUT_PERCENT
        env = env.model_copy(update={"split": str(SplitSpec("validation", first))})
        judged = SplitSpec("validation", HELD_OUT_PERCENT, first)
    evaluation = config.evaluation.model_copy(update={"split": str(judged)})
    changes = {"env": env, "evaluation": evaluation, "stop_at_reward": None}
    return config.model_copy(update=changes)


def open_study(folder: Path, space: Space, settings: Settings) -> optuna.Study:
    """Makes the study of a folder, or joins it if it is the same one.

    A new study begins with the configuration's own values.

    Raises:
        UserError: If the folder holds another study; the message names what differs.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the report has its own line for each trial
    (folder / TRIALS).mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        _check_same(folder / SETTINGS, space, settings)
        study = optuna.create_study(
            storage=_storage(folder / DATABASE),
            study_name="study",
            direction="maximize",
            load_if_exists=True,
        )
        joined = study.user_attrs.get("joined", 0)
        if not joined:  # before it counts as joined, so that a kill between the two loses nothing
            study.enqueue_trial(space.own_values(), skip_if_exists=True)
        study.set_user_attr("joined", joined + 1)
    # Each process draws from a seed of its own: with one seed they would try the same values.
    study.sampler = optuna.samplers.TPESampler(
        n_startup_trials=settings.startup, seed=space.base["seed"] + joined, constant_liar=True
    )
    study.pruner = _pruner(space, settings)
    return study


def _storage(path: Path) -> optuna.storages.RDBStorage:
    with warnings.catch_warnings():
        # Heartbeats are called experimental; the version in requirements.txt is tested with them.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.storages.RDBStorage(
            f"sqlite:///{path.resolve()}",
            {"connect_args": {"timeout": 60}},  # seconds that a process waits for another's write
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
        )


def run_trials(
    study: optuna.Study,
    space: Space,
    folder: Path,
    count: int,
    *,
    trust_imports: bool = False,
    announce: Callable[[optuna.trial.FrozenTrial], None] = lambda trial: None,
) -> None:
    """Runs trials until the study has `count`, those of other processes included.

    Args:
        study: Result of `open_study`.
        space: Of the study.
        folder: Of the study.
        count: Trials that the study shall have; stopped ones, which are repeated, do not count.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.
        announce: Called with each trial that ended in this process.
    """
    worker = token_hex(4)

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr(WORKER, worker)
        return _run(trial, space, folder, trust_imports=trust_imports)

    with FileLock(path := folder / WORKER_LOCK.format(worker)):
        _end_trials_of_killed_processes(study, folder, worker)
        while _counted(study) < count:
            _queue_stopped_trials(study, folder)
            study.optimize(
                objective,
                n_trials=1,
                catch=(TrialFailedError, UserError),
                callbacks=[lambda _, trial: announce(trial)],
            )
    path.unlink(missing_ok=True)


def _run(trial: optuna.Trial, space: Space, folder: Path, *, trust_imports: bool) -> float:
    """Trains one trial; returns its last held-out reward."""
    evaluations = _num_evaluations(space)

    def is_hopeless(number: int, reward: float) -> bool:
        # By number, not by step: with other rollout lengths evaluations happen at other steps.
        trial.report(reward, number)
        return number < evaluations and trial.should_prune()

    try:
        values = space.suggest(trial)
        # A repeated trial continues the run of the first attempt. Under a name of its own it would
        # be another run, since the name is a part of the environment's seed.
        number = trial.user_attrs.get(REPEATS, trial.number)
        config = space.config(values).model_copy(update={"name": f"trial{number:04d}"})
        reward = run_trial(config, folder / TRIALS, is_hopeless, trust_imports=trust_imports)
    except (TrialFailedError, UserError) as error:
        trial.set_user_attr(ERROR, str(error))
        raise
    if reward is None:
        raise optuna.TrialPruned
    return reward


def _end_trials_of_killed_processes(study: optuna.Study, folder: Path, own: str) -> None:
    """Ends the running trials whose process no longer holds its lock."""
    with FileLock(folder / LOCK):
        alive = {own, *filter(None, map(_living_worker, folder.glob(WORKER_LOCK.format("*"))))}
        running = optuna.trial.TrialState.RUNNING
        for trial in study.get_trials(deepcopy=False, states=[running]):
            worker = trial.user_attrs.get(WORKER)
            # A trial without a worker has just begun, in a process that is alive or was killed.
            if worker not in alive and (worker or alive == {own}):
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _living_worker(path: Path) -> str | None:
    """Returns the process whose lock this is; None, without the lock, if it was killed."""
    try:
        with FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
            return None
    except Timeout:
        return path.name.removeprefix(".worker-").removesuffix(".lock")


def _queue_stopped_trials(study: optuna.Study, folder: Path) -> None:
    """Queues each trial again whose last attempt was stopped by a signal, with its values.

    Found from the study alone, so that a kill at any moment loses no trial.
    """
    with FileLock(folder / LOCK):
        last = {t.user_attrs.get(REPEATS, t.number): t for t in study.get_trials(deepcopy=False)}
        for number, trial in last.items():
            if trial.state is optuna.trial.TrialState.FAIL and ERROR not in trial.user_attrs:
                # A trial that was queued has its values before it asks for them.
                values = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
                study.enqueue_trial(values, user_attrs={REPEATS: number})


def _counted(study: optuna.Study) -> int:
    """Returns the number of trials that ended by themselves or are running in any process."""
    state = optuna.trial.TrialState
    return sum(
        trial.state in (state.COMPLETE, state.PRUNED, state.RUNNING) or ERROR in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
    )


def _num_evaluations(space: Space) -> int:
    """Returns the number of evaluations of a whole trial, without that of the untrained agent."""
    return math.ceil(space.base["total_timesteps"] / space.base["evaluation"]["every"])


def _pruner(space: Space, settings: Settings) -> optuna.pruners.BasePruner:
    if settings.pruner == "none":
        return optuna.pruners.NopPruner()
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=_num_evaluations(space))
    return optuna.pruners.MedianPruner(n_startup_trials=settings.startup)


def _check_same(path: Path, space: Space, settings: Settings) -> None:
    """Writes what a new study is, or compares it with what the folder holds."""
    ranges = {key: asdict(each) for key, each in space.ranges.items()}
    wanted = {"config": dict(space.base), "search": ranges, "pruner": settings.pruner}
    wanted = json.loads(json.dumps(wanted))  # tuples are lists in the file
    if not path.is_file():
        write_yaml(path, wanted)
        return
    stored = read_values(path)
    there, here = flattened(stored), flattened(wanted)
    for key in [*here, *there]:
        if there.get(key) != here.get(key):
            raise UserError(
                f"Got a study at {path.parent} of another configuration: {key} is "
                f"{there.get(key)!r} there and {here.get(key)!r} here. Give the same files and "
                "options to join it, or another folder with --study."
            )
