"""What a run says of clips whose labels are not public, as a file to send in."""

import csv
from pathlib import Path

from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.robustness import corpus_of
from ser_mtl_modules.inference.trained_run import TrainedRun

COLUMNS = ("FileName", "EmoClass")  # those of MSP-Podcast's own label file


def write_submission(folder, device="cpu", ssl_hub=None):
    """Writes ``submission.csv`` into a finished run's folder.

    A line for each clip that the manifest has without a label, as
    MSP-Podcast's Test3, in the order of the names: the file's name with
    ``.wav``, and the corpus's own label of the most probable class.

    Arguments
    ---------
    folder : str or Path
        Of a finished run.
    device : str
        Where to compute.
    ssl_hub : str, optional
        As for `TrainedRun`.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    SerMtlError
        If every clip has a label, two labels are one class, or card or
        manifest are not what they were.
    """
    run = TrainedRun(folder, device, ssl_hub)
    _, card, manifest = corpus_of(run)
    hidden = {
        utterance: row
        for utterance, row in sorted(manifest.rows.items())
        if not row["emotion"]
    }
    if not hidden:
        raise SerMtlError(
            f"{manifest.path}: every clip has a label, so none is hidden. Of "
            "MSP-Podcast, Partitions.txt lists Test3: put it beside Labels, "
            "with Test3's clips in Audios, prepare and train again."
        )
    label_of = _labels(card)
    path = run.folder / "submission.csv"
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for utterance, row in tqdm(hidden.items(), unit="clip", disable=None):
            said = run.answers(run.signal.wave(utterance, row), utterance)
            name = f"{Path(row['wav']).stem}.wav"
            writer.writerow([name, label_of[said["prediction"]]])
    return path


def _labels(card):
    """The corpus's own label of each class."""
    labels = {class_: raw for raw, class_ in card.labels.items()}
    if len(labels) < len(card.labels):
        raise SerMtlError(
            f"{card.file}, card {card.name}: some labels are one class, so of "
            "that class nobody knows which label to send in. Train on a card "
            "that has them apart."
        )
    return labels
