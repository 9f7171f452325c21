import csv

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agents.config.loading import UserError
from agents.runs import logs
from agents.runs.files import write_jsonl

LOG = """{"step": 0}
{"step": 64}
{"step": 1"""


def test_rewinding_drops_what_comes_later_and_what_was_torn(tmp_path):
    (tmp_path / logs.METRICS).write_text(LOG)
    (tmp_path / logs.PROGRESS).write_text(f"a,{logs.STEP}\n1,32\n,64\n3,96\n4")
    logs.rewind(tmp_path, 64)
    assert logs.read_metrics(tmp_path) == [{"step": 0}, {"step": 64}]
    assert (tmp_path / logs.PROGRESS).read_text() == f"a,{logs.STEP}\n1,32\n,64\n"


def test_progress_goes_on_with_its_columns_and_may_gain_some(tmp_path):
    """Regression: a resumed run emptied progress.csv."""
    for values in ({"a": 1, "b": 2}, {"b": 3, "c": 4}):
        logger = logs.make_logger(tmp_path)
        for name, value in values.items():
            logger.record(name, value)
        logger.dump(step=0)
        logger.close()
    with (tmp_path / logs.PROGRESS).open(newline="") as file:
        rows = list(csv.DictReader(file))  # Stable-Baselines3 gives new columns no fixed order
    assert rows == [{"a": "1", "b": "2", "c": ""}, {"a": "", "b": "3", "c": "4"}]


def test_what_was_recorded_but_not_written_goes_on(tmp_path):
    logger = logs.make_logger(tmp_path)
    logger.record("loss", 1.5, exclude="tensorboard")
    resumed = logs.make_logger(tmp_path, logs.pending(logger))
    resumed.dump(step=0)
    assert (tmp_path / logs.PROGRESS).read_text() == "loss\n1.5\n"


def test_events_after_the_checkpoint_are_not_shown_twice(tmp_path):
    """Regression: TensorBoard showed repeated steps twice after a resume."""
    for start, steps in ((0, (32, 64, 96)), (64, (96, 128))):
        logger = logs.make_logger(tmp_path, step=start)
        for step in steps:
            logger.record("loss", float(step + start))
            logger.dump(step=step)
        logger.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert shown == [(32, 32.0), (64, 64.0), (96, 160.0), (128, 192.0)]


def test_unicode_line_ends_inside_a_text_end_no_line(tmp_path):
    """Regression: rows were cut at U+2028, U+2029 and U+0085."""
    rows = [{"step": 0, "text": "a\u2028b\u2029c\x85d"}]
    write_jsonl(tmp_path / logs.METRICS, rows)
    assert logs.read_metrics(tmp_path) == rows


@pytest.mark.parametrize("line", ["{", "[1]", "{}", '{"step": "x"}', "[" * 100_000])
def test_a_broken_line_of_the_log_is_named(tmp_path, line):
    (tmp_path / logs.METRICS).write_text('{"step": 0}\n' + line + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl line 2"):
        logs.read_metrics(tmp_path)


def test_a_broken_row_of_the_progress_is_named(tmp_path):
    (tmp_path / logs.PROGRESS).write_text(f"{logs.STEP},loss\nx,1\n")
    with pytest.raises(UserError, match=r"a row at .*progress\.csv line 2 without a whole num"):
        logs.rewind(tmp_path, 5)
