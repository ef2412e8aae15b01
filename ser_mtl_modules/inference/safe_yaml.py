"""The YAML of an export, checked before HyperPyYAML sees it.

Loading a HyperPyYAML file calls whatever it names. What exports are made of is
known, so a YAML that says anything else is refused: it may name the classes
below and nothing more, and has no way to say something in disguise (anchors,
merge keys, directives, other tags).
"""

import re

import ruamel.yaml

from ser_mtl_modules.errors import SerMtlError

ENCODER = "ser_mtl_modules.lobes.encoders.PretrainedEncoder"
CLASSES = frozenset(
    [
        ENCODER,
        "ser_mtl_modules.lobes.fbank_encoder.FbankEncoder",
        "ser_mtl_modules.lobes.level_encoder.LevelEncoder",
        "ser_mtl_modules.lobes.residual_integration.AugmentedResidualIntegration",
        "ser_mtl_modules.lobes.last_level.LastLevel",
        *(
            f"ser_mtl_modules.lobes.layer_fusion.{name}"
            for name in (
                "WeightedSum",
                "Concatenation",
                "Last",
                "PostResidual",
                "LayerAdapters",
            )
        ),
        *(
            f"ser_mtl_modules.lobes.co_attention.{name}"
            for name in (
                "CaMser",
                "Chain",
                "Concatenate",
                "NoGates",
                "Nothing",
                "ParallelGates",
                "SigmoidGates",
                "SoftmaxGates",
                "TaskTokens",
                "relu_over_time",
                "softmax_over_time",
            )
        ),
        *(
            f"ser_mtl_modules.lobes.pooling.{name}"
            for name in (
                "AttentiveStatisticsPooling",
                "MaxPooling",
                "MeanPooling",
                "UtteranceNorm",
            )
        ),
        "ser_mtl_modules.lobes.frame_level_attention.FrameLevelAttention",
        "ser_mtl_modules.tasks.attributes.Attributes",
        "ser_mtl_modules.tasks.classification.Classification",
        "ser_mtl_modules.tasks.multi_loss.MultiLossClassification",
        "ser_mtl_modules.tasks.speaker.Speaker",
        "ser_mtl_modules.tasks.transcription.Transcription",
        "ser_mtl_modules.dataio.transcripts.Characters",
        "ser_mtl_modules.dataio.datasets.Waves",
        "ser_mtl_modules.dataio.datasets.no_trim",
        "ser_mtl_modules.dataio.trimming.trim_silence",
        "ser_mtl_modules.augment.views.AsIs",
        "ser_mtl_modules.augment.views.Noise",
        "ser_mtl_modules.augment.views.Speed",
        "torch.nn.Identity",
        "torch.nn.ModuleDict",
    ]
)

# How every export ends: what the tags below can't say, and need not.
ENDING = """\
modules: !new:torch.nn.ModuleDict
  modules:
    encoder: !ref <encoder>
    layer_fusions: !ref <layer_fusions>
    co_attention: !ref <co_attention>
    tasks: !ref <tasks>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    model: !ref <modules>
  paths:
    model: !ref <folder>/model.safetensors
  custom_hooks:
    model: !name:ser_mtl_modules.inference.weights.load_weights
"""
KEYS = (
    "folder",
    "sample_rate",
    "classes",
    "signal",
    "views",
    "window_s",
    "overlap_s",
    "encoder",
    "layer_fusions",
    "co_attention",
    "tasks",
    "modules",
    "pretrainer",
)
SOURCE = "<folder>/encoder"  # where config.json of a pre-trained encoder is

MOST_CHARACTERS = 100_000
MOST_DEPTH = 20
STANDARD = "tag:yaml.org,2002:"
PLAIN = {STANDARD + name for name in ("str", "int", "float", "bool", "null")}
NUMBER = re.compile(r"[-+]?\d{0,9}(\.\d{0,20})?([eE][-+]?\d{1,2})?")


def check_yaml(text, where, largest, n_tensors):
    """Refuses a YAML that is not what an export's would be.

    Arguments
    ---------
    text : str
        Of ``hyperparams.yaml``.
    where : str or Path
        The file, for messages.
    largest : int
        The largest dimension of the weights: no size needs to be larger, and
        none may, lest building a model takes all memory.
    n_tensors : int
        Of the weights: there can't be more layers.

    Returns
    -------
    list of str
        The classes, in their order.

    Raises
    ------
    SerMtlError
        Says the line, what is there, and what could be.
    """
    return _Check(where, largest, n_tensors).document(text)


class _Check:
    def __init__(self, where, largest, n_tensors):
        self.where = where
        self.most = max(largest, 1024)
        self.n_tensors = n_tensors

    def refuse(self, mark, what):
        line = f", line {mark.line + 1}" if mark else ""
        raise SerMtlError(
            f"{self.where}{line}: {what}. Exports of ser_mtl_modules have "
            "nothing of the kind, and what a YAML names is run when it is "
            "loaded. If you know who wrote it, and trust them as you trust "
            "a program of theirs: trust=True (--trust)."
        )

    # ---- the document as a whole

    def document(self, text):
        if len(text) > MOST_CHARACTERS:
            self.refuse(None, f"{len(text)} characters")
        try:
            self.events(text)
            root = ruamel.yaml.YAML(typ="rt", pure=True).compose(text)
        except ruamel.yaml.error.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            self.refuse(mark, f"no YAML ({error.__class__.__name__})")
        if not isinstance(root, ruamel.yaml.MappingNode):
            self.refuse(None, "no mapping of keys to values")
        pairs = self.pairs(root)
        for key in KEYS:
            if key not in pairs:
                self.refuse(None, f"there is no key '{key}'")
        for key, node in pairs.items():
            if key not in KEYS:
                self.refuse(node.start_mark, f"the key '{key}'")
        self.ends(pairs)
        if _tree(pairs["folder"]) != _tree(_composed(".")):
            self.refuse(pairs["folder"].start_mark, "a folder other than '.'")
        for key in KEYS[1:-2]:
            self.node(pairs[key], key)
        self.windows(pairs)
        if not isinstance(pairs["classes"], ruamel.yaml.SequenceNode):
            self.refuse(pairs["classes"].start_mark, "no list of classes")
        return [str(node.value) for node in pairs["classes"].value]

    def events(self, text):
        """What is not to be seen any more in a tree."""
        depth = documents = 0
        for event in ruamel.yaml.YAML(typ="rt", pure=True).parse(text):
            if getattr(event, "anchor", None) is not None:
                # an alias has the anchor's name, too
                self.refuse(event.start_mark, "an anchor, or an alias of one")
            if isinstance(event, ruamel.yaml.DocumentStartEvent):
                documents += 1
                if documents > 1 or event.version or event.tags:
                    self.refuse(event.start_mark, "a directive or a document")
            opens = isinstance(
                event,
                (ruamel.yaml.MappingStartEvent, ruamel.yaml.SequenceStartEvent),
            )
            closes = isinstance(
                event,
                (ruamel.yaml.MappingEndEvent, ruamel.yaml.SequenceEndEvent),
            )
            depth += opens - closes
            if depth > MOST_DEPTH:
                self.refuse(event.start_mark, f"{depth} levels of nesting")

    def ends(self, pairs):
        ending = dict(_pairs(_composed(ENDING)))
        for key, expected in ending.items():
            if _tree(pairs[key]) != _tree(expected):
                self.refuse(
                    pairs[key].start_mark,
                    f"'{key}' is not what it is in every export",
                )

    def windows(self, pairs):
        """Their number is finite."""
        numbers = {STANDARD + "int", STANDARD + "float"}
        names = ("sample_rate", "window_s", "overlap_s")
        if any(_tag(pairs[name]) not in numbers for name in names):
            self.refuse(None, f"{', '.join(names)}: one is not a number")
        rate, window_s, overlap_s = (float(pairs[n].value) for n in names)
        if not (rate >= 1000 and 0 <= overlap_s <= 0.9 * window_s):
            self.refuse(None, f"windows of {window_s} s, overlap {overlap_s} s")

    # ---- its parts

    def pairs(self, node):
        """The values of a mapping by key; keys are plain words."""
        found = {}
        for key, value in node.value:
            plain = isinstance(key, ruamel.yaml.ScalarNode)
            if not plain or _tag(key) not in (STANDARD + "str",):
                self.refuse(key.start_mark, "a key that is not a plain word")
            if key.value.startswith(("_", "<<")) or key.value in found:
                self.refuse(
                    key.start_mark, f"the key '{key.value}', here or twice"
                )
            found[key.value] = value
        return found

    def node(self, node, name=""):
        tag = _tag(node)
        if tag.startswith(("!new:", "!name:")):
            self.call(node, tag.partition(":")[2])
        if isinstance(node, ruamel.yaml.ScalarNode):
            self.scalar(node, tag, name)
        elif isinstance(node, ruamel.yaml.SequenceNode):
            self.is_plain(node, tag, "seq")
            for part in node.value:
                self.node(part, name)
        else:
            self.is_plain(node, tag, "map")
            for key, value in self.pairs(node).items():
                if (key, value.value, _tag(value)) != (
                    "source",
                    SOURCE,
                    "!ref",
                ):
                    self.node(value, key)

    def is_plain(self, node, tag, kind):
        if not tag.startswith(("!new:", "!name:")) and tag != STANDARD + kind:
            self.refuse(node.start_mark, f"the tag {_shown(tag)}")

    def call(self, node, name):
        if name not in CLASSES:
            self.refuse(
                node.start_mark,
                f"{_shown(name)} is not among the classes that exports use",
            )
        if name == ENCODER:
            # it opens files: those of the export, and no weights elsewhere
            mapping = isinstance(node, ruamel.yaml.MappingNode)
            given = self.pairs(node) if mapping else {}
            found = [
                (_tag(value), value.value)
                for value in map(given.get, ("source", "pretrained"))
                if value is not None
            ]
            expected = [("!ref", SOURCE), (STANDARD + "bool", "false")]
            if [(t, str(v).replace("F", "f")) for t, v in found] != expected:
                self.refuse(
                    node.start_mark,
                    "a pre-trained encoder that is not the export's own",
                )

    def scalar(self, node, tag, name):
        value = node.value
        if tag.startswith(("!new:", "!name:")):
            if value:
                self.refuse(node.start_mark, f"a value behind {_shown(tag)}")
        elif tag not in PLAIN:
            self.refuse(node.start_mark, f"the tag {_shown(tag)}")
        elif tag == STANDARD + "str":
            path = value.startswith(("~", ".", "(", "$"))
            if path or set(value) & set("/\\:<>\0") or len(value) > 200:
                self.refuse(node.start_mark, f"{_shown(value)} could be a path")
        elif tag in (STANDARD + "int", STANDARD + "float"):
            self.number(node, name)

    def number(self, node, name):
        if not NUMBER.fullmatch(node.value):
            self.refuse(node.start_mark, f"the number {_shown(node.value)}")
        most = self.most
        if name == "sample_rate":
            most = 192_000
        elif name == "n_blocks":
            most = self.n_tensors
        if abs(float(node.value)) > most:
            self.refuse(
                node.start_mark,
                f"{name}: {node.value}, and by the weights there can't be "
                f"more than {most}",
            )


def _composed(text):
    return ruamel.yaml.YAML(typ="rt", pure=True).compose(text)


def _pairs(node):
    return [(key.value, value) for key, value in node.value]


def _tag(node):
    return str(node.ctag) if node.ctag else ""


def _tree(node):
    """Tags and values, to be compared."""
    if isinstance(node, ruamel.yaml.ScalarNode):
        return _tag(node), node.value
    if isinstance(node, ruamel.yaml.SequenceNode):
        return _tag(node), [_tree(part) for part in node.value]
    return _tag(node), [(_tree(k), _tree(v)) for k, v in node.value]


def _shown(text):
    return repr(text if len(text) <= 80 else text[:80] + "…")
