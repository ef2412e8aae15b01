"""Memory and seconds of the contrastive loss, by blocks and as one matrix.

> python -m ser_mtl_modules.experiments.supcon_benchmark [--device=cuda]

By default of all frames of a batch: 16 clips of 312 frames, vectors of 64.
Each of the two runs in a process of its own, so that neither reuses what the
other had; forward and backward count, what was there before doesn't.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.supcon import SupervisedContrastive


def dense(embeddings, labels, temperature=0.1):
    """The same loss by one matrix of similarities, which autograd keeps."""
    z = F.normalize(embeddings, dim=-1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    positive = (labels[:, None] == labels) & ~itself  # [N, N]
    n_positives = positive.sum(dim=1)
    logits = (z @ z.T / temperature).masked_fill(itself, -torch.inf)
    log_p = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    loss = -log_p.sum(dim=1) / n_positives.clamp(min=1)
    return loss[n_positives > 0].mean()


# glibc keeps what was freed, and more or less of it from run to run, unless a
# size is fixed from which it goes back to the system at once
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
KINDS = {"dense": dense, "blocks": SupervisedContrastive(temperature=0.1)}


def frames(n_clips, n_frames, size, device="cpu"):
    """Random vectors of all frames, and their classes, eight in all."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_clips * n_frames, size, generator=generator)
    labels = (torch.arange(n_clips) % 8).repeat_interleave(n_frames)
    return x.to(device), labels.to(device)


def measure(kind, shape, device):
    """Megabytes at the peak, and seconds, of one step in this process."""
    loss = KINDS[kind]
    for few in (True, False):  # the first one loads what torch loads lazily
        x, labels = frames(*((2, 3, 4) if few else shape), device)
        x.requires_grad_()
        before = _memory(device, "VmRSS")
        started = time.monotonic()
        loss(x, labels).backward()
        x.grad.sum().item()  # waits for the device
        seconds = time.monotonic() - started
    return {"mb": _memory(device, "VmHWM") - before, "seconds": seconds}


def _memory(device, field):
    """Megabytes: held now (VmRSS), or at most so far (VmHWM)."""
    if device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated
        now = torch.cuda.memory_allocated
        return (peak if field == "VmHWM" else now)() / 2**20
    # not getrusage, which counts what the parent process held
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(field))
    return int(line.split()[1]) / 2**10


def compare(shape, device="cpu"):
    """What `measure` says of each kind, by name."""
    found = {}
    for kind in KINDS:
        command = [sys.executable, "-m", __spec__.name, f"--device={device}"]
        command += [f"--{k}={n}" for k, n in zip(SHAPE, shape)]
        said = subprocess.run(
            [*command, f"--only={kind}"],
            env=os.environ | GIVEN_BACK,
            check=True,
            capture_output=True,
            text=True,
        )
        found[kind] = json.loads(said.stdout)
    return found


SHAPE = {"clips": 16, "frames": 312, "size": 64}


def main(arguments):
    """Prints a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in SHAPE.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=KINDS, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    shape = [getattr(args, name) for name in SHAPE]
    if args.only:
        print(json.dumps(measure(args.only, shape, args.device)))
        return
    found = compare(shape, args.device)
    for kind, (mb, seconds) in ((k, v.values()) for k, v in found.items()):
        share = mb / found["dense"]["mb"]
        print(f"{kind:6} {mb:8.1f} MB ({share:.0%}) {seconds:8.2f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
