"""A small voice, and sample corpora that it speaks."""
