"""What all tests and doctests need."""

from speechbrain.utils.importutils import LazyModule

# Hypothesis asks every imported module for its file. SpeechBrain's lazy ones
# would be imported by that, and fail where k2 is not installed.
LazyModule.__file__ = None
