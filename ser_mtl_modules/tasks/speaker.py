"""Who speaks: an embedding that tells unseen speakers apart."""

import torch
import torch.nn.functional as F

from ser_mtl_modules.tasks.base import Task
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper


class Speaker(Task):
    """SpeechBrain's ECAPA-TDNN and AAM-softmax over the training speakers.

    Desplanques et al., 2020 (https://arxiv.org/abs/2005.07143). Test speakers
    are unseen by design, so what counts is the equal error rate of cosines
    between embeddings; the classifier serves training alone.

    ECAPA's convolutions reflect at the end of the tensor, not of the clip, and
    its batch norms see every frame, so padding must not get there. In training
    each clip gives a segment as long as the shortest clip of the batch (drawn
    from torch's global generator); otherwise clips of one
    length pass together, without padding.

    Arguments
    ---------
    input_size : int
        d of the features.
    speakers : list of str
        The speakers of the train set.
    embedding_size : int
        Size of the embedding.
    channels : list of int
        Of ECAPA's five layers.
    margin : float
        Of AAM-softmax, in radians.
    scale : float
        Of AAM-softmax.
    dropout : float
        Channel dropout in ECAPA.
    """

    MIN_FRAMES = 9  # the widest reflection is 4 frames on either side

    def __init__(
        self,
        input_size,
        speakers,
        embedding_size=192,
        channels=(64, 64, 64, 64, 192),
        margin=0.2,
        scale=30.0,
        dropout=0.0,
    ):
        super().__init__()
        self.speakers = list(speakers)
        self.ecapa = ECAPA_TDNN(
            input_size,
            lin_neurons=embedding_size,
            channels=list(channels),
            attention_channels=channels[0],
            se_channels=channels[0],
            res2net_scale=4,
            dropout=dropout,
        )
        self.classify = Classifier(
            embedding_size,
            lin_neurons=embedding_size,
            out_neurons=len(speakers),
        )
        self.criterion = LogSoftmaxWrapper(AdditiveAngularMargin(margin, scale))

    def forward(self, feats, lens):
        """As `Task.forward`; gives embeddings of norm 1, shape [B, E]."""
        if self.training:
            segments = self._segments(feats, lens)
            if len(segments) == 1:  # batch norm needs two
                segments = segments.expand(2, -1, -1)
            embeddings = self.ecapa(segments).squeeze(1)[: len(feats)]
        else:
            embeddings = self._each_alone(feats, lens)
        return F.normalize(embeddings.float(), dim=-1)

    def _each_alone(self, feats, lens):
        """Embeddings [B, E] that no clip's neighbours have a part in.

        Clips of one length pass together: nothing in ECAPA mixes clips.
        """
        embeddings = feats.new_zeros(len(feats), self.classify.weight.shape[1])
        for n in lens.unique().tolist():
            same = (lens == n).nonzero().flatten()
            clips = torch.stack([self._repeat(feats[i, :n]) for i in same])
            embeddings[same] = self.ecapa(clips).squeeze(1).to(embeddings)
        return embeddings

    def _segments(self, feats, lens):
        """A random segment of each clip, all of one length: [B, S, d]."""
        size = int(lens.min())
        size = max(size - size % 4, self.MIN_FRAMES)  # few different shapes
        clips = [self._repeat(f[:n], size) for f, n in zip(feats, lens)]
        room = torch.tensor([len(clip) - size + 1 for clip in clips])
        starts = (torch.rand(len(clips)) * room).long().tolist()
        return torch.stack([c[s : s + size] for c, s in zip(clips, starts)])

    def _repeat(self, clip, size=MIN_FRAMES):
        """A clip [T, d], repeated until it has at least ``size`` frames."""
        times = -(-size // len(clip))
        return clip if times == 1 else clip.repeat(times, 1)

    def target(self, batch):
        """Indices of training speakers, shape [B]; -1 for all others."""
        index = {name: i for i, name in enumerate(self.speakers)}
        labels = [index.get(speaker, -1) for speaker in batch.speaker]
        return torch.tensor(labels, device=self.classify.weight.device)

    def loss(self, prediction, target):
        """AAM-softmax over the utterances of known speakers.

        None in evaluation where there is no such utterance, as in valid.
        """
        known = target >= 0
        if not known.any():
            if not self.training:
                return None
            # no step, but a graph through every parameter
            return (prediction.sum() + self.classify.weight.sum()) * 0.0
        cosines = self.classify(prediction[known].unsqueeze(1))  # [B, 1, S]
        return self.criterion(cosines, target[known].unsqueeze(1))

    def describe(self, prediction, batch):
        """The embedding, for the trials between test utterances."""
        return [{"embedding": e} for e in prediction.float().cpu().numpy()]
