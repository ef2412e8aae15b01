"""What two mistakes would have claimed."""

import pytest
from rich.console import Console
from tiny_ravdess import RECIPE
from tiny_runs import make_method

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import leak_meter
from ser_mtl_modules.experiments.leak_meter import as_table, measure_leaks
from ser_mtl_modules.experiments.report import report_on
from ser_mtl_modules.experiments.sweep import Sweep

YAML = RECIPE / "hparams" / "mtl_frozen.yaml"
FLAGS = ["--data_folder=nowhere", "--card", "ravdess-6fold-emobox", "--lr=0.1"]


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs appear where they are asked for; gives what they were."""
    asked = []

    class Trained(Sweep):
        def execute(self, jobs):
            asked.append((self.root.name, jobs, self.flags))
            chance = 0.9 if "chosen" in self.root.name else 0.6
            make_method(self.root, chance, folds=(1, 2), card=self.card.name)

    class Regression:
        def __init__(self, yaml, flags, features, classifier, folds):
            self.flags = flags

        def execute(self):
            asked.append((self.flags[-1],))
            leak = "random" in self.flags[-1]
            root = tmp_path / f"regression-{leak}"
            make_method(root, 0.95 if leak else 0.5, folds=(1, 2))
            return root

    monkeypatch.setattr(leak_meter, "Sweep", Trained)
    monkeypatch.setattr(leak_meter, "Baseline", Regression)
    return asked


def measure(tmp_path):
    return measure_leaks(YAML, FLAGS, [1], ["1", "2"], tmp_path / "out", jobs=2)


def test_each_mistake_is_compared_with_the_honest_runs(trained, tmp_path):
    random, chosen = measure(tmp_path)
    for leak, honest, claimed in ((random, 0.5, 0.95), (chosen, 0.6, 0.9)):
        for runs, chance in (
            (leak["honest"], honest),
            (leak["claimed"], claimed),
        ):
            rows = [row for run in runs for row in run.rows]
            right = sum(row["target"] == row["prediction"] for row in rows)
            assert right / len(rows) == pytest.approx(chance, abs=0.15)
    console = Console(width=120, record=True)
    console.print(as_table([random, chosen]))
    text = console.export_text()
    assert "logistic on levels, random split" in text
    assert "mtl_frozen, epoch chosen on test" in text
    assert "not to be quoted" in text


def test_runs_with_a_mistake_have_its_card_and_a_folder_of_their_own(
    trained, tmp_path
):
    measure(tmp_path)
    card = "--card=ravdess-6fold-emobox"
    assert trained == [
        (FLAGS[-1],),  # the baseline as it is
        (f"{card}+random_split",),
        ("out", 2, FLAGS),
        (
            "out+chosen_on_test",
            2,
            [FLAGS[0], "--lr=0.1", f"{card}+chosen_on_test"],
        ),
    ]


def test_no_report_has_them_beside_real_runs(tmp_path):
    for name, card in (("honest", "a" * 64), ("leak", "b" * 64)):
        sums = {"card": card, "manifest": "c" * 64, "yaml": "d" * 64}
        make_method(tmp_path / name, checksums=sums)
    with pytest.raises(SerMtlError, match="have not the same card"):
        report_on([tmp_path / "honest", tmp_path / "leak"])
