from benchmarks.harness.results_folder import machine_folder

MACHINE = {"cpu": "Intel(R) Xeon(R) CPU", "date": "2026-11-24"}


def test_results_of_a_machine_with_a_card_are_filed_under_the_card(tmp_path):
    folder = machine_folder({**MACHINE, "gpu": "NVIDIA H100 80GB HBM3"}, tmp_path)
    assert folder == tmp_path / "2026-11-24-nvidia-h100-80gb-hbm3"


def test_results_of_a_machine_without_a_card_are_filed_under_the_processor(tmp_path):
    folder = machine_folder({**MACHINE, "gpu": None}, tmp_path)
    assert folder == tmp_path / "2026-11-24-intel-r-xeon-r-cpu"
