"""What stands for an encoder whose frozen levels are read from disk."""

import torch

from ser_mtl_modules.lobes.masking import frame_mask, relative_to_frames
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)


@register_checkpoint_hooks
class CachedEncoder(torch.nn.Module):
    """Called as an encoder is, with stored levels in the place of waves.

    Where all of the encoder is frozen it holds no weight at all. Otherwise it
    holds the trained modules, so that the optimizer, checkpoints and the
    running average have them, and not the frozen ones, which would be saved in
    every epoch.

    Arguments
    ---------
    signal : CachedLevels
        Where the levels come from.
    mask : callable, optional
        ``mask(levels [L, B, T, D], lens [B])`` changes stored levels in
        training, such as ``DropSpans``.

    Example
    -------
    >>> class Signal:
    ...     is_trained = False
    ...     n_levels, output_size, frame_rate = 2, 3, 25.0
    >>> encoder = CachedEncoder(Signal())
    >>> stored = torch.zeros(4, 10, 2, 3).half()  # 4 clips, 10 frames
    >>> levels, lens = encoder(stored, torch.tensor([1.0, 0.3, 0.5, 0.1]))
    >>> levels.shape, levels.dtype, lens.tolist()
    (torch.Size([2, 4, 10, 3]), torch.float32, [10, 3, 5, 1])
    """

    def __init__(self, signal, mask=None):
        super().__init__()
        self.n_levels = signal.n_levels
        self.output_size = signal.output_size
        self.frame_rate = signal.frame_rate
        self.mask = mask
        self._whole = ()  # not a list of modules: torch must not find it
        self.trained = torch.nn.ModuleDict()
        if signal.is_trained:
            encoder = signal.encoder.load()
            self._whole = (encoder,)
            for name, module in _trained_modules("", encoder):
                self.trained[name.replace(".", "/")] = module

    def forward(self, stored, relative_lens):
        """Makes levels of what a batch holds.

        Arguments
        ---------
        stored : torch.Tensor
            Shape [B, T, L0, D], half precision.
        relative_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Levels [L, B, T, D], zero where there is padding, and frames of
            each clip [B].
        """
        n_frames = stored.shape[1]
        lens = relative_to_frames(relative_lens, n_frames)
        levels = stored.permute(2, 0, 1, 3)  # [L0, B, T, D]
        # where nothing of the encoder is trained, one conversion instead of
        # one for each task
        kind = levels.device.type
        autocast = torch.is_autocast_enabled(kind) and not self._whole
        levels = levels.to(
            torch.get_autocast_dtype(kind) if autocast else torch.float32,
            memory_format=torch.contiguous_format,
            copy=True,  # what is stored stays as it is below
        )
        if self.training and self.mask is not None:
            levels = self.mask(levels, lens)
        padding = ~frame_mask(lens, n_frames).unsqueeze(-1)
        levels = levels.masked_fill_(padding, 0.0)
        for encoder in self._whole:
            levels = encoder.upper(levels, lens)
        return levels, lens

    @mark_as_saver
    def save(self, path):
        """As SpeechBrain's, which would warn that a frozen one is empty."""
        torch.save(self.state_dict(), path)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Gets the trained part back."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.load_state_dict(state)

    def train(self, mode=True):
        """As in torch; the encoder itself knows what stays in eval mode."""
        super().train(mode)
        for encoder in self._whole:
            encoder.train(mode)
        return self

    def _apply(self, fn, recurse=True):
        """What moves the trained part moves the frozen one, too.

        The upper part may ask a frozen module: WavLM's position bias is in
        its first layer.
        """
        super()._apply(fn, recurse)
        for encoder in self._whole:
            encoder._apply(fn, recurse)
        return self


def _trained_modules(name, module):
    """The largest modules all of whose parameters are trained, by name."""
    parameters = list(module.parameters())
    if parameters and all(p.requires_grad for p in parameters):
        yield name or "encoder", module
        return
    own = list(module.named_parameters(recurse=False))
    if any(p.requires_grad for _, p in own):
        # a parameter beside frozen ones: a list of one holds it
        for key, p in own:
            if p.requires_grad:
                yield f"{name}.{key}", torch.nn.ParameterList([p])
    for key, child in module.named_children():
        yield from _trained_modules(f"{name}.{key}".strip("."), child)
