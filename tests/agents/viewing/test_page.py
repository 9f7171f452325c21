from agents.viewing.page import traces_page
from tests.agents.viewing.traces import make_hostile, make_traces


def test_a_page_holds_every_step_and_asks_the_network_for_nothing():
    traces = make_traces(2)
    text = traces_page(traces, "Run")
    assert text.count("<h3>Step ") == sum(len(trace.steps) for trace in traces)
    assert "default-src 'none'" in text
    assert "http" not in text.replace("http-equiv", "")


def test_hostile_text_is_no_markup_and_holds_no_control_characters():
    text = traces_page([make_hostile(make_traces(1)[0])], "<script>")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not set("\x1b\x07\x9b\u202e") & set(text)
