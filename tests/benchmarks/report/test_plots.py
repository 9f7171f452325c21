import struct

from benchmarks.report.plots import Bar, bars


def height(png):
    return struct.unpack(">I", png[20:24])[0]


def test_picture_is_a_png_that_grows_with_the_number_of_bars():
    few, many = (bars([Bar("a", "n=8", 1.0, 0.1)] * count, "tokens/s") for count in (1, 9))
    assert few.startswith(b"\x89PNG")
    assert height(many) > height(few)


def test_a_new_setting_is_set_apart():
    same = [Bar("a", "n=8", 1.0, 0.0), Bar("b", "n=8", 1.0, 0.0)]
    apart = [Bar("a", "n=8", 1.0, 0.0), Bar("b", "n=64", 1.0, 0.0)]
    assert height(bars(apart, "tokens/s")) > height(bars(same, "tokens/s"))
