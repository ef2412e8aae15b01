"""What is said: characters by connectionist temporal classification."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from ser_mtl_modules.tasks.base import Task
from speechbrain.decoders.ctc import filter_ctc_output


class Alignments(NamedTuple):
    """What a transcription predicts for a batch."""

    log_p: torch.Tensor  # [B, T, V], of every token in every frame
    lens: torch.Tensor  # [B], frames of each clip


class Transcripts(NamedTuple):
    """The texts of a batch as token indices."""

    tokens: torch.Tensor  # [B, U], zero where there is padding
    lens: torch.Tensor  # [B], tokens of each text


class Transcription(Task):
    """A linear layer in every frame, CTC loss, greedy search.

    Graves et al., 2006. The loss is divided by the length of the text and
    averaged over the utterances that have a text and frames enough for it;
    torch's ``zero_infinity`` would let the others count as perfect.

    Arguments
    ---------
    input_size : int
        d of the features.
    tokenizer : object
        Has ``encode(text)``, ``decode(indices)``, ``normalise(text)`` and a
        length; index 0 is the blank.
    dropout : float
        Before the layer.
    """

    BLANK = 0

    def __init__(self, input_size, tokenizer, dropout=0.0):
        super().__init__()
        self.tokenizer = tokenizer
        self.dropout = torch.nn.Dropout(dropout)
        self.classify = torch.nn.Linear(input_size, len(tokenizer))

    def forward(self, feats, lens):
        """As `Task.forward`; gives `Alignments`."""
        logits = self.classify(self.dropout(feats)).float()
        return Alignments(logits.log_softmax(dim=-1), lens)

    def target(self, batch):
        """The transcripts as token indices; length 0 where there is none."""
        device = self.classify.weight.device
        texts = [
            torch.tensor(self.tokenizer.encode(text), dtype=torch.long)
            for text in batch.transcript
        ]
        return Transcripts(
            torch.nn.utils.rnn.pad_sequence(texts, batch_first=True).to(device),
            torch.tensor([len(text) for text in texts], device=device),
        )

    @staticmethod
    def feasible(alignments, texts):
        """Which texts can be aligned at all, booleans of shape [B].

        A repeated token needs a blank between, so a text needs as many frames
        as it has tokens and immediate repetitions.
        """
        repeated = texts.tokens[:, 1:] == texts.tokens[:, :-1]
        repeated = repeated & (texts.tokens[:, 1:] != Transcription.BLANK)
        needed = texts.lens + repeated.sum(dim=1)
        return (texts.lens > 0) & (needed <= alignments.lens)

    def loss(self, prediction, target):
        """Nats per token, averaged over utterances that can be aligned."""
        usable = self.feasible(prediction, target)
        if not usable.any():
            return prediction.log_p.sum() * 0.0
        lens = target.lens[usable]
        nats = F.ctc_loss(
            prediction.log_p[usable].transpose(0, 1),  # [T, B, V]
            target.tokens[usable],
            prediction.lens[usable],
            lens,
            blank=self.BLANK,
            reduction="none",
        )
        return (nats / lens).mean()

    def describe(self, prediction, batch):
        """The reference, and the text of the best token in every frame."""
        best = prediction.log_p.argmax(dim=-1).tolist()  # [B, T]
        rows = []
        for text, path, n in zip(
            batch.transcript, best, prediction.lens.tolist()
        ):
            indices = filter_ctc_output(path[:n], blank_id=self.BLANK)
            rows.append(
                {
                    "transcript": self.tokenizer.normalise(text),
                    "hypothesis": self.tokenizer.decode(indices),
                }
            )
        return rows
