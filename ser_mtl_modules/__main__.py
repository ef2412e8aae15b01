"""The front door: ``python -m ser_mtl_modules COMMAND``."""

import enum
import sys
from pathlib import Path
from typing import Annotated

import rich
import typer

from ser_mtl_modules.errors import SerMtlError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def front_door():
    """What goes with the recipes of ser-mtl."""


class Format(str, enum.Enum):
    """How a report is written."""

    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"
    html = "html"


@app.command()
def report(
    folders: Annotated[
        list[str],
        typer.Argument(
            help="One for each row, with its runs below; NAME=FOLDER names it."
        ),
    ],
    against: Annotated[
        Path | None,
        typer.Option(help="The folder of the method to compare with."),
    ] = None,
    format: Annotated[
        Format, typer.Option(help="How to print it.")
    ] = Format.table,
):
    """Scores over folds and seeds, computed again from the predictions."""
    # imported by the command that needs it: torch takes seconds to load
    from ser_mtl_modules.experiments import report as reports
    from ser_mtl_modules.experiments.report_page import as_html

    content = reports.report_on(folders, against)
    if format is Format.table:
        rich.print(reports.as_table(content))
        return
    written = {
        Format.markdown: reports.as_markdown,
        Format.csv: reports.as_csv,
        Format.json: reports.as_json,
        Format.html: as_html,
    }
    print(written[format](content))


@app.command()
def publish(
    folder: Annotated[Path, typer.Argument(help="Of a sweep.")],
    archive: Annotated[
        Path, typer.Argument(help="Gets the runs; a report reads it.")
    ],
):
    """What the runs of a sweep answered, in one small file."""
    from ser_mtl_modules.experiments import publish as publishing

    publishing.publish(folder, archive)


@app.command()
def readme(
    files: Annotated[
        list[Path], typer.Argument(help="With <!-- report ... --> in them.")
    ],
):
    """Makes the tables of READMEs again, of the runs that they name."""
    from ser_mtl_modules.experiments.publish import refresh

    for file in files:
        print(f"{file}: {'written' if refresh(file) else 'as it was'}")


class ExecutorName(str, enum.Enum):
    """Where submitit's jobs run."""

    slurm = "slurm"
    local = "local"


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def sweep(
    context: typer.Context,
    yaml: Annotated[Path, typer.Argument(help="In a recipe's hparams.")],
    folds: Annotated[
        str | None, typer.Option(help="As 1,3; by default all of the card.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="As 1986,1987.")] = "1986",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Runs at a time; by default 1, or all on a cluster."
        ),
    ] = None,
    nproc: Annotated[
        int, typer.Option(min=1, help="Processes of a run, one a GPU.")
    ] = 1,
    executor: Annotated[
        ExecutorName | None,
        typer.Option(
            help="Makes each run a job of submitit, which is requeued after "
            "a time limit or preemption and goes on where it was."
        ),
    ] = None,
    resources: Annotated[
        str,
        typer.Option(
            help="Of a job, by submitit's names, as "
            "'{slurm_partition: gpu, timeout_min: 240, gpus_per_node: 1}'."
        ),
    ] = "{}",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Gets the runs; by default results/YAML/CARD in the recipe."
        ),
    ] = None,
):
    """Folds and seeds of a recipe; all other options go to its train.py."""
    from ser_mtl_modules.experiments.jobs import Jobs
    from ser_mtl_modules.experiments.report import as_table, report_on
    from ser_mtl_modules.experiments.sweep import Sweep, mapping, numbers

    runs = Sweep(
        yaml,
        context.args,
        seeds=numbers(seeds, "--seeds"),
        folds=folds and folds.split(","),
        output=output,
        n_ranks=nproc,
    )
    resources = mapping(resources, "--resources")
    if executor:
        folder = runs.root / "jobs"
        runs.execute(executor=Jobs(executor.value, resources, folder, jobs))
    elif resources:
        raise SerMtlError("--resources are those of a job: give --executor.")
    else:
        runs.execute(jobs or 1)
    rich.print(as_table(report_on([runs.root])))


class Suite(str, enum.Enum):
    """How much a run is put through."""

    standard = "standard"
    quick = "quick"


@app.command()
def robustness(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    suite: Annotated[
        Suite, typer.Option(help="How many conditions.")
    ] = Suite.standard,
    noise: Annotated[
        Path | None,
        typer.Option(
            help="With a folder of audio for each kind; by default generated."
        ),
    ] = None,
    rooms: Annotated[
        Path | None,
        typer.Option(help="With impulse responses; by default generated."),
    ] = None,
    cross: Annotated[
        list[str] | None,
        typer.Option(
            help="Another corpus, as recipes/EMODB/emodb-10fold-loso."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="As cuda.")] = "cpu",
    ssl_hub: Annotated[
        str | None,
        typer.Option(help="The encoder, where training's is not any more."),
    ] = None,
):
    """A run's test in noise, in rooms, through codecs, and under attack."""
    from ser_mtl_modules.experiments.robustness import measure_robustness
    from ser_mtl_modules.experiments.robustness_report import as_table

    content = measure_robustness(
        run, suite.value, noise, rooms, cross or (), device, ssl_hub
    )
    rich.print(as_table(content))
    print(f"{run / 'robustness'}/  curves.png, results.csv, results.json")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def baseline(
    context: typer.Context,
    yaml: Annotated[Path, typer.Argument(help="In a recipe's hparams.")],
    features: Annotated[
        str,
        typer.Option(
            help="levels (means of a frozen encoder's), egemaps or compare."
        ),
    ] = "levels",
    classifier: Annotated[
        str, typer.Option(help="logistic, linear-svm or rbf-svm.")
    ] = "logistic",
    folds: Annotated[
        str | None, typer.Option(help="As 1,3; by default all of the card.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Gets the runs; by default below the recipe."),
    ] = None,
):
    """A simple classifier on a card; other options are as for train.py."""
    from ser_mtl_modules.experiments.baseline import Baseline
    from ser_mtl_modules.experiments.report import as_table, report_on

    runs = Baseline(
        yaml,
        context.args,
        features,
        classifier,
        folds=folds and folds.split(","),
        output=output,
    )
    rich.print(as_table(report_on([runs.execute()])))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def leak_meter(
    context: typer.Context,
    yaml: Annotated[Path, typer.Argument(help="In a recipe's hparams.")],
    features: Annotated[
        str, typer.Option(help="Of the simple classifier, as for baseline.")
    ] = "levels",
    classifier: Annotated[str, typer.Option(help="The same.")] = "logistic",
    folds: Annotated[
        str | None, typer.Option(help="As 1,3; by default all of the card.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="As 1986,1987.")] = "1986",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(help="Of the sweep, where it isn't the usual folder."),
    ] = None,
):
    """What a random split, and epochs chosen on test, would have claimed."""
    from ser_mtl_modules.experiments.leak_meter import as_table, measure_leaks
    from ser_mtl_modules.experiments.sweep import numbers

    found = measure_leaks(
        yaml,
        context.args,
        numbers(seeds, "--seeds"),
        folds and folds.split(","),
        output,
        features,
        classifier,
        jobs,
    )
    rich.print(as_table(found))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def benchmark(
    context: typer.Context,
    yaml: Annotated[Path, typer.Argument(help="In a recipe's hparams.")],
    lengths: Annotated[
        str,
        typer.Option(help="msp-podcast, iemocap, or a manifest that has them."),
    ] = "msp-podcast",
    clips: Annotated[
        int, typer.Option(min=2, help="Of which batches are made.")
    ] = 5000,
    batches: Annotated[
        int, typer.Option(min=1, help="Of them in a pass, at most.")
    ] = 32,
    passes: Annotated[
        int, typer.Option(min=1, help="How many, after one to warm up.")
    ] = 2,
):
    """How fast a YAML trains; other options are as for train.py."""
    from ser_mtl_modules.experiments.benchmark import (
        as_table,
        benchmark as measure,
    )

    measured = measure(yaml, context.args, lengths, clips, batches, passes)
    rich.print(as_table(measured))


@app.command()
def submission(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    device: Annotated[str, typer.Option(help="As cuda.")] = "cpu",
    ssl_hub: Annotated[
        str | None,
        typer.Option(help="The encoder, where training's is not any more."),
    ] = None,
):
    """What a run says of clips whose labels are not public, to send in."""
    from ser_mtl_modules.experiments.submission import write_submission

    print(write_submission(run, device, ssl_hub))


class SampleCorpus(str, enum.Enum):
    """Corpora that can be synthesised."""

    EMODB = "EMODB"
    IEMOCAP = "IEMOCAP"
    MSP_IMPROV = "MSP-IMPROV"
    MSP_PODCAST = "MSP-Podcast"
    RAVDESS = "RAVDESS"
    SAVEE = "SAVEE"


@app.command()
def sample_corpus(
    corpus: Annotated[
        SampleCorpus, typer.Argument(help="Whose layout and names.")
    ],
    folder: Annotated[Path, typer.Argument(help="Gets the corpus.")],
    seed: Annotated[
        int, typer.Option(help="Another one gives other voices and clips.")
    ] = 1986,
    clips_per_speaker: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="By default all of EMODB, RAVDESS and SAVEE, and some tens of "
            "the others.",
        ),
    ] = None,
):
    """A synthetic corpus, for trying a recipe without a licence."""
    from ser_mtl_modules.synthesis import (
        emodb,
        iemocap,
        mspimprov,
        mspodcast,
        ravdess,
        savee,
    )

    whole = {
        SampleCorpus.EMODB: emodb.write_emodb,
        SampleCorpus.RAVDESS: ravdess.write_ravdess,
        SampleCorpus.SAVEE: savee.write_savee,
    }
    large = {
        SampleCorpus.IEMOCAP: iemocap.write_iemocap,
        SampleCorpus.MSP_IMPROV: mspimprov.write_mspimprov,
        SampleCorpus.MSP_PODCAST: mspodcast.write_mspodcast,
    }
    settings = {"seed": seed}
    if clips_per_speaker:
        settings["clips_per_speaker"] = clips_per_speaker
    n_written = (whole | large)[corpus](folder, **settings)
    command = (
        f"cd recipes/{corpus.value} && python train.py hparams/mtl_fbank.yaml "
        f"--data_folder={folder.absolute()}"
    )
    print(f"{folder}: {n_written} clips written.")
    if corpus in large or clips_per_speaker:
        print(
            f"They are fewer than {corpus.value} has, so its cards must not "
            "count them. Train on them with"
        )
        command += " --check_counts=False"
    else:
        print("Train on them with")
    print(command)


@app.command()
def pack(
    manifest: Annotated[
        Path, typer.Argument(help="As a recipe's preparation wrote it.")
    ],
    data_folder: Annotated[Path, typer.Argument(help="With the corpus.")],
    folder: Annotated[Path, typer.Argument(help="Gets the shards.")],
    shard_mb: Annotated[
        int, typer.Option(min=1, help="Of a shard, in MB, at most.")
    ] = 1000,
):
    """A corpus's files in a few large ones, for slow file systems."""
    from ser_mtl_modules.dataio.audio_shards import pack as write_shards
    from ser_mtl_modules.dataio.manifest import read_manifest

    rows = read_manifest(manifest, data_folder)
    n_shards = write_shards(rows, data_folder, folder, shard_mb * 10**6)
    print(f"{folder}: {n_shards} shards with their index, shards.json.")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def demo(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option(help="Gets the corpus and the run.")
    ] = Path("demo"),
):
    """A synthetic corpus, a training on it, its table and pictures."""
    from ser_mtl_modules.experiments.demo import run_demo

    run_demo(folder, context.args)


class ExportFormat(str, enum.Enum):
    """What a run is exported as."""

    speechbrain = "speechbrain"
    onnx = "onnx"


@app.command()
def export(
    run: Annotated[
        Path, typer.Argument(help="The output folder of a finished run.")
    ],
    folder: Annotated[Path, typer.Argument(help="New; gets the export.")],
    ssl_hub: Annotated[
        str | None,
        typer.Option(
            "--ssl_hub", help="The pre-trained encoder, if it was moved."
        ),
    ] = None,
    format: Annotated[
        ExportFormat, typer.Option(help="onnx has emotion and gender alone.")
    ] = ExportFormat.speechbrain,
):
    """A run as a folder that needs nothing else, to be used or shared."""
    if format is ExportFormat.onnx:
        from ser_mtl_modules.inference.onnx_export import FILE, export_onnx

        export_onnx(run, folder, ssl_hub)
        print(f"{folder / FILE}: written, and compared with the run.")
        return
    from ser_mtl_modules.inference.export import export_run

    export_run(run, folder, ssl_hub)
    print(
        f"{folder}: written, and compared with the run. Use it by\n"
        f"python -m ser_mtl_modules predict {folder} FILES"
    )


class PredictFormat(str, enum.Enum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command()
def predict(
    model: Annotated[
        Path, typer.Argument(help="A finished run's folder, or an export.")
    ],
    recordings: Annotated[
        list[Path], typer.Argument(help="Files, and folders with such below.")
    ],
    tasks: Annotated[
        str, typer.Option(help="As emotion,gender,asr.")
    ] = "emotion",
    format: Annotated[
        PredictFormat,
        typer.Option(help="json is a line for each recording."),
    ] = PredictFormat.table,
    device: Annotated[str, typer.Option(help="As cpu or cuda:0.")] = "cpu",
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run whatever an export's YAML names."),
    ] = False,
):
    """What a model hears in recordings; exits with 1 if one can't be read."""
    from ser_mtl_modules.inference.predict import opened, predict_files

    with opened(model, device, trust) as recognizer:
        n_bad = predict_files(
            recognizer, recordings, tasks.split(","), format.value
        )
    if n_bad:
        raise typer.Exit(1)


@app.command()
def new_recipe(
    name: Annotated[str, typer.Argument(help="Of the recipe and the corpus.")],
    table: Annotated[
        Path,
        typer.Argument(
            help="With columns file, emotion and, where they are known, "
            "speaker, gender, transcript, split."
        ),
    ],
    into: Annotated[
        Path | None,
        typer.Option(help="Gets the recipe's folder; by default recipes."),
    ] = None,
):
    """A recipe for a corpus of one's own, ready to be run."""
    from ser_mtl_modules.scaffold.new_recipe import new_recipe as write_recipe

    folder, notes = write_recipe(name, table, into)
    for note in notes:
        print(note, file=sys.stderr)
    print(
        f"{folder}: written, README.md says what was found. Train it with\n"
        f"cd {folder} && python train.py hparams/mtl_fbank.yaml "
        f"--data_folder={table.absolute().parent}"
    )


@app.command()
def upstream(
    corpus: Annotated[str, typer.Argument(help="Of a folder of recipes.")],
    checkout: Annotated[
        Path, typer.Argument(help="Of SpeechBrain; gets the recipe.")
    ],
):
    """A recipe in the form of a pull request to SpeechBrain."""
    from ser_mtl_modules.scaffold.upstream import TASK, write_upstream

    written = write_upstream(corpus, checkout)
    print(
        f"{checkout / 'recipes' / corpus / TASK}: {len(written)} files written "
        f"or changed. Look at them with\n"
        f"cd {checkout.absolute()} && git status\n"
        "pytest tests/consistency"
    )


@app.command()
def serve(
    model: Annotated[
        Path, typer.Argument(help="A finished run's folder, or an export.")
    ],
    host: Annotated[
        str, typer.Option(help="By default nobody else reaches the page.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the page.")] = 7860,
    device: Annotated[str, typer.Option(help="As cpu or cuda:0.")] = "cpu",
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run whatever an export's YAML names."),
    ] = False,
):
    """A page on this machine: record or drop a clip, and see what is heard."""
    from ser_mtl_modules.inference.predict import opened
    from ser_mtl_modules.inference.serve import import_gradio, serve

    import_gradio()  # before a run is exported, which takes a while
    with opened(model, device, trust) as recognizer:
        serve(recognizer, model, host, port)


def main():
    """Runs a command; a user's mistake ends with its message and exit 2."""
    try:
        app()
    except SerMtlError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
