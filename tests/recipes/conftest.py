"""Fixtures of tests that need a recipe's model, or a run that others need too."""

import re

import pytest
import train
from hyperpyyaml import load_hyperpyyaml
from short_corpora import write_in_words
from tiny_ravdess import ROOT, arguments, without_pictures

import speechbrain as sb
from ser_mtl_modules.synthesis.emodb import write_emodb
from ser_mtl_modules.synthesis.iemocap import write_iemocap
from ser_mtl_modules.synthesis.mspimprov import write_mspimprov
from ser_mtl_modules.synthesis.mspodcast import write_mspodcast
from ser_mtl_modules.synthesis.ravdess import write_ravdess
from ser_mtl_modules.synthesis.savee import write_savee
from ser_mtl_modules.training import settings


def write_few_of_ravdess(folder, clips_per_speaker):
    """All of two actors that train, and a clip of each other one."""
    write_ravdess(folder, clips_per_speaker=1)
    write_ravdess(folder, [9, 10], clips_per_speaker=clips_per_speaker)


# Who writes a corpus, and in how many clips of each speaker all classes are
WRITERS = {
    "EMODB": (write_emodb, 3),
    "IEMOCAP": (write_iemocap, 4),
    "MSP-IMPROV": (write_mspimprov, 4),
    "MSP-Podcast": (write_mspodcast, 8),
    "RAVDESS": (write_few_of_ravdess, 15),  # and in both intensities
    "SAVEE": (write_savee, 7),
}


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A function that gives the folder of a small sample corpus, by name."""
    root, written = tmp_path_factory.mktemp("samples"), {}

    def write(corpus):
        if corpus not in written:
            write_corpus, few = WRITERS[corpus]
            written[corpus] = write_in_words(
                write_corpus, root / corpus / "corpus", clips_per_speaker=few
            )
        return written[corpus]

    return write


@pytest.fixture(scope="session")
def trained(sample, tiny_models):
    """A function that gives the folder of a run, by recipe and YAML.

    A run that is there isn't trained again, nor is one with other flags mixed
    up with it: flags come with a folder of their own.
    """

    def run(corpus, yaml, *more, folder=None):
        data = sample(corpus)
        output = data.parent / (folder or yaml)
        recipe = ROOT / "recipes" / corpus
        text = (recipe / "hparams" / yaml).read_text(encoding="utf-8")
        flags = ["--max_batch_duration=60", "--num_workers=0", *more]
        earlier = re.search(r"^earlier_yaml: hparams/(\S+)", text, re.M)
        if earlier:
            flags.append(f"--earlier_folder={run(corpus, earlier[1], *more)}")
        if "\nssl_hub:" in text:
            flags.append(f"--ssl_hub={tiny_models['wavlm-large']}")
        if "CachedLevels" in text:
            # that of the largest corpus stores some of Whisper's seven levels
            some = ", levels: [1, -1]" if "levels:" in text else ""
            features = data.parent / "features"
            flags.append(f"--signal={{folder: {features}{some}}}")
        with without_pictures():
            train.main(
                arguments(data, output, *flags, yaml=yaml, recipe=recipe)
            )
        return output

    return run


@pytest.fixture
def build(tmp_path):
    """A function that makes the Brain of a command line's flags."""

    def build(*flags, yaml="mtl_fbank.yaml"):
        flags = arguments(tmp_path, tmp_path / "run", *flags, yaml=yaml)
        yaml, run_opts, overrides = sb.parse_arguments(flags)
        found = {
            "classes": ["calm", "sad"],
            "class_counts": [1, 1],
            "genders": ["F", "M"],
            "speakers": ["a", "b"],
            "styles": ["normal", "strong"],
        }
        text = settings.override(yaml, overrides)
        keys = set(re.findall(r"^(\w+):", text, re.M))
        found = {key: found[key] for key in found if key in keys}
        hparams = load_hyperpyyaml(text, found)
        return train.MultiTaskBrain(
            modules=hparams["modules"],
            opt_class=hparams["opt_class"],
            hparams=hparams,
            run_opts=run_opts,
            checkpointer=hparams["checkpointer"],
            loss_weights=hparams["loss_weights"],
            classes=hparams["classes"],
            metric="UA",
            seed=1,
            n_epochs=1,
            optimizers=hparams.get("optimizers"),
            loss_balance=hparams.get("loss_balance"),
        )

    return build
