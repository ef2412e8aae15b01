"""Metrics: labels and scores in, numbers out."""
