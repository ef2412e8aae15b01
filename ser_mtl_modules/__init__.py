"""What the recipes of ser-mtl are made of.

The folders bear SpeechBrain's own names, so that a piece knows its home
upstream. A module imports only from the floors below it:

1. errors, randomness, losses, metrics, lobes, synthesis
2. dataio, augment, tasks, training
3. inference, scaffold
4. experiments
"""

__version__ = "0.1.0"
