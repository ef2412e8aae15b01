"""From a corpus on disk to batches: audio, manifests, cards, datasets."""
