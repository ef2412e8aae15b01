"""What an exported model is, what it was trained on, and what it is not for."""

from ser_mtl_modules.training.results import headline

INTENDED_USE = """\
Research on speech emotion recognition, on recordings like those of the corpus.
A class is what listeners or actors of that corpus called it."""

LIMITS = """\
- It says how someone sounds to a model of one corpus, not what they feel. Don't
  decide about people by it: not about work, school, health, credit or the law.
- Scores fall on other corpora, languages, ages, microphones and rooms, and on
  spontaneous speech where the corpus is acted; they were not measured there.
- It always answers with one of its classes, also of noise, music or silence.
- A probability was not calibrated.
- Windows of long recordings are judged one by one, whoever speaks in them.
- A speaker embedding is personal data where someone can be told by it.
- Corpora have licences: what they say of models trained on them holds here."""

TEXT = """\
---
library_name: speechbrain
pipeline_tag: audio-classification
tags: [speech-emotion-recognition, speechbrain, ser-mtl]
---
# Emotion from speech: {recipe}, {yaml}, fold {fold}

Classes, in the order of the probabilities: {classes}.
Tasks: {tasks}. Audio: {sample_rate} Hz, mono (other rates and channels are
converted).

```python
from ser_mtl_modules.inference.recognizer import EmotionRecognizer

recognizer = EmotionRecognizer.from_hparams("this folder")
probabilities, score, index, names = recognizer.classify_file("a.wav")
everything = recognizer.describe_file("a.wav", attention=True)
```

or `python -m ser_mtl_modules predict "this folder" a.wav`. A recording of up to
{window_s} s is heard whole. A longer one is heard in windows of that length that
overlap by {overlap_s} s or more; probabilities are means over the windows, weighed
by the seconds that were heard of each (silence at their ends is cut away).

## Training

| | |
|---|---|
{facts}

The epoch was chosen on the valid set; test was scored once, at the end.

## Results

In per cent; EER and WER: lower is better. They are of this fold and seed alone,
on speakers as the card above divides them.

| | valid | test |
|---|---|---|
{metrics}

## Intended use

{intended_use}

## Limits

{limits}
"""


def model_card(trained, window_s, overlap_s):
    """The text of an export's README.md.

    Arguments
    ---------
    trained : TrainedRun
        What is exported.
    window_s, overlap_s : float
        As long recordings are heard.

    Returns
    -------
    str
        Markdown.
    """
    results = trained.results
    facts = {
        "corpus": results["recipe"],
        "protocol card": results["card"],
        "fold": f"{results['fold']} of {results.get('n_folds', '?')}",
        "seed": results["seed"],
        "epochs": f"{results['epochs']}, the best is {results['best_epoch']}",
        **{
            f"checksum of the {name}": f"`{value}`"
            for name, value in results["checksums"].items()
        },
        "code": f"`{results['commit']}`",
        "versions": ", ".join(f"{k} {v}" for k, v in results["versions"].items()),
    }  # fmt: skip
    sets = [headline(results["metrics"].get(s, {})) for s in ("valid", "test")]
    names = list({name: None for found in sets for name in found})
    metrics = [
        f"| {name} | " + " | ".join(str(s.get(name, "")) for s in sets) + " |"
        for name in names
    ]
    return TEXT.format(
        recipe=results["recipe"],
        yaml=results["yaml"],
        fold=results["fold"],
        classes=", ".join(trained.classes),
        tasks=", ".join(trained.hparams["modules"]["tasks"]),
        sample_rate=trained.sample_rate,
        window_s=window_s,
        overlap_s=overlap_s,
        facts="\n".join(f"| {k} | {v} |" for k, v in facts.items()),
        metrics="\n".join(metrics),
        intended_use=INTENDED_USE,
        limits=LIMITS,
    )
