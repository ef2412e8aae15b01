"""Does the emotion of the sample corpus need listening?

    python -m ser_mtl_modules.experiments.listening

speaks the sample corpus of RAVDESS in memory, trains on the actors that fold 1
of the demo trains on, and tests on the others:

(a) a logistic regression on mean F0 and mean log-energy, which must fail;
(b) a small network on log-mel spectra, which must succeed, and not fully;
(c) the same network where one cue of emotion is taken out of the voice, which
    must cost something whichever cue it is.

The distributions in `synthesis.emotions` were tuned with it. It takes about ten
minutes on one thread.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from ser_mtl_modules.randomness import generator, seed_everything
from ser_mtl_modules.synthesis.corpus import SAMPLE_RATE, speak
from ser_mtl_modules.synthesis.emotions import CUES
from ser_mtl_modules.synthesis.ravdess import ACTORS, EMOTIONS, clips_of
from speechbrain.lobes.features import Fbank

TRAIN_ACTORS = range(9, 25)
N_MELS = 64
EPOCHS = 16


def mean_f0_and_energy(wav, lowest_hz=70.0, highest_hz=500.0):
    """Mean log2 F0, by autocorrelation, and mean log-energy of the speech.

    Arguments
    ---------
    wav : numpy.ndarray
        Shape [S], at `SAMPLE_RATE`.
    lowest_hz, highest_hz : float
        Where F0 is looked for.

    Returns
    -------
    numpy.ndarray
        log2 of Hz, and dB; shape [2]. Frames count that are less than 20 dB
        below the loudest.
    """
    size, hop = SAMPLE_RATE // 25, SAMPLE_RATE // 100
    frames = np.lib.stride_tricks.sliding_window_view(wav, size)[::hop]
    energy_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    loud = energy_db > energy_db.max() - 20
    window = np.hanning(size)
    power = np.abs(np.fft.rfft(frames[loud] * window, 2 * size)) ** 2
    window_power = np.abs(np.fft.rfft(window, 2 * size)) ** 2
    # divided by that of the window, or short lags would always win
    correlation = np.fft.irfft(power) / np.fft.irfft(window_power)
    first, last = int(SAMPLE_RATE / highest_hz), int(SAMPLE_RATE / lowest_hz)
    searched = correlation[:, first:last]
    inner = searched[:, 1:-1]
    # two periods are as alike as one: the first peak that is nearly the highest
    peaks = (inner >= searched[:, :-2]) & (inner >= searched[:, 2:])
    peaks &= inner > 0.9 * searched.max(axis=1, keepdims=True)
    nearest = np.where(
        peaks.any(axis=1), 1 + peaks.argmax(axis=1), searched.argmax(axis=1)
    )
    lags = first + nearest
    heights = correlation[np.arange(len(lags)), lags] / correlation[:, 0]
    voiced = heights > 0.5
    f0 = np.log2(SAMPLE_RATE / lags[voiced]).mean() if voiced.any() else 0.0
    return np.array([f0, energy_db[loud].mean()])


class SmallNetwork(nn.Module):
    """Convolutions over log-mels, a recurrent layer, and their mean over time.

    Arguments
    ---------
    n_classes : int
        Number of outputs.
    channels : int
        Of the last convolution.
    hidden : int
        Of the recurrent layer, in each direction.

    Example
    -------
    >>> network = SmallNetwork(n_classes=8)
    >>> network(torch.zeros(2, 120, N_MELS), torch.tensor([120, 80])).shape
    torch.Size([2, 8])
    """

    def __init__(self, n_classes, channels=48, hidden=48):
        super().__init__()
        sizes = [1, 12, 24, channels]
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(i, o, kernel_size=5, stride=2, padding=2),
                    nn.BatchNorm2d(o),
                    nn.ReLU(),
                )
                for i, o in zip(sizes, sizes[1:])
            )
        )
        self.squeeze = nn.Linear(channels * N_MELS // 8, 64)
        self.dropout = nn.Dropout(0.3)
        self.recurrent = nn.GRU(
            64, hidden, batch_first=True, bidirectional=True
        )
        self.out = nn.Linear(2 * hidden, n_classes)

    def forward(self, feats, n_frames):
        """From feats [B, T, N_MELS] and their lengths [B] to logits [B, C]."""
        x = self.convolutions(feats[:, None])  # [B, channels, T / 8, F / 8]
        x = self.squeeze(x.permute(0, 2, 1, 3).flatten(2))  # [B, T / 8, 64]
        x, _ = self.recurrent(self.dropout(x.relu()))
        inside = torch.arange(x.shape[1]) * 8 < n_frames[:, None]
        x = (x * inside[..., None]).sum(1) / inside.sum(1)[:, None]
        return self.out(self.dropout(x))


def listen(feats, labels, train, epochs, seed):
    """Trains a `SmallNetwork`, and predicts all clips with it.

    Arguments
    ---------
    feats : list of torch.Tensor
        Log-mels of each clip, [T, N_MELS].
    labels : torch.Tensor
        Class indices, shape [N].
    train : torch.Tensor
        Whether the clip may be trained on, shape [N].
    epochs : int
        How often each clip is seen.
    seed : int
        For weights, order and dropout.

    Returns
    -------
    torch.Tensor
        Class indices, shape [N].
    """
    seed_everything(seed, "listening")
    seen = torch.cat([f for f, t in zip(feats, train) if t])
    mean, std = seen.mean(0), seen.std(0)
    feats = [(f - mean) / std for f in feats]
    n_frames = torch.tensor([len(f) for f in feats])
    feats = pad_sequence(feats, batch_first=True)
    network = SmallNetwork(n_classes=int(labels.max()) + 1)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    where = train.nonzero()[:, 0]
    steps = epochs * -(-len(where) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for epoch in range(epochs):
        chance = generator(seed, "listening", epoch)
        shuffled = torch.randperm(len(where), generator=chance)
        for batch in where[shuffled].split(32):
            # other tracts, as there are few speakers: some mels up or down
            shifts = torch.randint(-3, 4, (len(batch),), generator=chance)
            shifted = [f.roll(int(s), 1) for f, s in zip(feats[batch], shifts)]
            logits = network(torch.stack(shifted), n_frames[batch])
            loss = nn.functional.cross_entropy(
                logits, labels[batch], label_smoothing=0.1
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        batches = torch.arange(len(labels)).split(64)
        return torch.cat(
            [network(feats[b], n_frames[b]).argmax(1) for b in batches]
        )


def ua(labels, predictions):
    """Mean recall in per cent."""
    return 100 * recall_score(labels, predictions, average="macro")


def spoken(seed, without=None):
    """The corpus in memory: waves, and which emotion and whose each one is.

    Arguments
    ---------
    seed : int
        Of the corpus.
    without : str, optional
        The cue to leave out.

    Returns
    -------
    tuple
        Waves, class indices [N], and actors [N].
    """
    clips = [clip for actor in ACTORS for clip in clips_of(actor)]
    labels = [EMOTIONS.index(clip.emotion) for clip in clips]
    return (
        [speak(clip.utterance(seed), seed, without) for clip in clips],
        torch.tensor(labels),
        torch.tensor([clip.actor for clip in clips]),
    )


@torch.no_grad()
def log_mels(wavs):
    """Log-mels of each wave, [T, N_MELS], in units of 10 dB."""
    fbank = Fbank(n_mels=N_MELS, sample_rate=SAMPLE_RATE)
    return [fbank(torch.from_numpy(wav)[None])[0] / 10 for wav in wavs]


def from_two_means(wavs, labels, train):
    """What (a) predicts for all clips, of the arguments of `listen`."""
    means = np.stack([mean_f0_and_energy(wav) for wav in wavs])
    regression = make_pipeline(StandardScaler(), LogisticRegression())
    regression.fit(means[train], labels[train])
    return torch.from_numpy(regression.predict(means))


def main(seed=1986):
    """Prints UA of (a), (b) and (c) on the actors that were not trained on."""
    complete = None
    print("UA in per cent on actors 1 to 8, unseen in training")
    for cue in (None, *CUES):
        wavs, labels, actors = spoken(seed, without=cue)
        train = actors >= TRAIN_ACTORS[0]
        if cue is None:
            said = from_two_means(wavs, labels, train)
            score = ua(labels[~train], said[~train])
            print(f"logistic regression on mean F0 and energy: {score:.1f}")
        said = listen(log_mels(wavs), labels, train, EPOCHS, seed)
        score = ua(labels[~train], said[~train])
        complete = complete or score
        name = f"without {cue}" if cue else "network on log-mels"
        print(f"{name}: {score:.1f} ({score - complete:+.1f})", flush=True)


if __name__ == "__main__":
    main()
