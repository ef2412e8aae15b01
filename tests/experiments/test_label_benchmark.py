import mspodcast_prepare
from tiny_ravdess import ROOT

from ser_mtl_modules.experiments.label_benchmark import main, write_labels


def test_generated_labels_are_read_as_those_of_a_release(tmp_path):
    write_labels(tmp_path, n_clips=120, n_raters=3)
    labels = mspodcast_prepare.find_labels(tmp_path)
    assert set(labels) == {"consensus", "raters", "partitions", "speakers"}
    clips = mspodcast_prepare.read_labels(labels)
    assert len(clips) == 120
    assert {clip["emotion"] for clip in clips.values()} == set("ASHUFDCNOX")
    for clip in clips.values():
        counts = [int(n.split(":")[1]) for n in clip["raters"].split("|")]
        assert sum(counts) == 3


def test_each_step_has_a_line_with_seconds_and_megabytes(capsys):
    main([str(ROOT / "recipes" / "MSP-Podcast"), "--clips=50", "--audio=3"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(" s, peak " in line and " MB " in line for line in lines)
