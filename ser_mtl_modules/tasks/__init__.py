"""What is learned: a head, its label, its loss and its metric."""
