"""Small encoders that can be frozen, and what was asked of them."""

import hashlib
import itertools

import torch

from ser_mtl_modules.lobes.fbank_encoder import FbankEncoder
from ser_mtl_modules.lobes.masking import frame_mask


class FakeEncoder(torch.nn.Module):
    """Three levels above frames of 10 ms, the last one trained if so asked."""

    built = 0  # how many there have been
    encoded = []  # sample counts of the waves that frozen() got

    def __init__(self, seed=0, freeze="all", gain=1.0, size=6, rate=16000):
        super().__init__()
        FakeEncoder.built += 1
        torch.manual_seed(seed)  # whoever loads weights draws some
        self.hop = rate // 100
        self.below = torch.nn.ModuleList(
            [torch.nn.Linear(self.hop, size), torch.nn.Linear(size, size)]
        )
        self.bias = torch.nn.Embedding(1, size)  # frozen, and asked by upper
        self.above = torch.nn.Linear(size, size)
        self.drop = torch.nn.Dropout(0.5)
        self.gain = gain
        self.requires_grad_(False)
        self.is_trained = freeze != "all"
        self.above.requires_grad_(self.is_trained)
        self.n_levels, self.output_size = 3, size
        self.frame_rate, self.sample_rate = 100.0, rate

    def frozen(self, wavs, wav_lens):
        FakeEncoder.encoded.append(wavs.shape[1])
        wanted = torch.is_grad_enabled() and wavs.requires_grad
        with torch.set_grad_enabled(wanted):
            lens = (wav_lens * wavs.shape[1]).round().long() // self.hop
            lens = lens.clamp(min=1)
            missing = max(self.hop - wavs.shape[1], 0)
            wavs = torch.nn.functional.pad(wavs, (0, missing))
            level = self.gain * wavs.unfold(1, self.hop, self.hop)
            levels = []
            for layer in self.below:
                level = layer(level).tanh()
                levels.append(self.without_padding(level, lens))
        levels = torch.stack(levels)
        return (levels if self.is_trained else self.upper(levels, lens)), lens

    def upper(self, levels, lens):
        if len(levels) == 3:
            return levels
        top = self.above(self.drop(levels[-1])) + self.bias.weight[0]
        if not self.is_trained:
            top = self.above(levels[-1]) + self.bias.weight[0]
        return torch.cat([levels, self.without_padding(top, lens)[None]])

    @staticmethod
    def without_padding(level, lens):
        return level * frame_mask(lens, level.shape[1])[..., None]

    def checksum(self):
        return checksum(p for p in self.parameters() if not p.requires_grad)

    def forward(self, wavs, wav_lens):
        levels, lens = self.frozen(wavs, wav_lens)
        return self.upper(levels, lens), lens


class FrozenFbank(torch.nn.Module):
    """The encoder of log-mels, with random weights."""

    def __init__(self, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = FbankEncoder(**settings).requires_grad_(False)
        self.n_levels = self.encoder.n_levels
        self.output_size = self.encoder.output_size
        self.frame_rate = self.encoder.frame_rate
        self.sample_rate = self.encoder.sample_rate

    def frozen(self, wavs, wav_lens):
        self.encoder.eval()
        with torch.no_grad():
            return self.encoder(wavs, wav_lens)

    def upper(self, levels, lens):
        return levels

    def checksum(self):
        return checksum(
            itertools.chain(self.encoder.parameters(), self.encoder.buffers())
        )

    def forward(self, wavs, wav_lens):
        return self.frozen(wavs, wav_lens)


def checksum(tensors):
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.detach().numpy().tobytes())
    return sha.hexdigest()
