"""What is done with many runs: reports over folds, seeds and methods."""
