"""How it is learned: the Brain, checkpoints, results and figures."""
