"""Losses: tensors in, a scalar out."""
