import json

from tests.agents.viewing.traces import make_traces


def test_a_trace_is_plain_json():
    (trace,) = make_traces(1)
    document = json.loads(json.dumps(trace.to_json(), allow_nan=False))
    assert document["reward"] == trace.reward
    assert len(document["steps"]) == len(trace.steps)
    assert document["steps"][0]["candidates"][0]["preference"] > 0
