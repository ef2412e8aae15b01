"""How well the words are recognised."""

from speechbrain.utils.edit_distance import accumulatable_wer_stats


def word_error_rate(references, hypotheses):
    """Substituted, left out and added words per word of the reference (WER).

    0 is perfect. It can exceed 1, by words that nobody said; no output at all
    gives exactly 1. Utterances are pooled: long ones weigh more.

    Arguments
    ---------
    references : list of str
        What was said. Utterances without a reference are left out.
    hypotheses : list of str
        What was recognised.

    Returns
    -------
    float or None
        A fraction; None without any reference.

    Example
    -------
    >>> word_error_rate(["dogs are sitting", ""], ["dogs sat", "so what"])
    0.6666666666666666
    """
    return _error_rate(references, hypotheses, str.split)


def character_error_rate(references, hypotheses):
    """As `word_error_rate`, of characters; a run of blanks counts as one.

    Arguments
    ---------
    references : list of str
        What was said. Utterances without a reference are left out.
    hypotheses : list of str
        What was recognised.

    Returns
    -------
    float or None
        A fraction; None without any reference.

    Example
    -------
    >>> character_error_rate(["a dog"], ["a  dot"])
    0.2
    """
    return _error_rate(references, hypotheses, lambda t: " ".join(t.split()))


def _error_rate(references, hypotheses, tokens):
    pairs = [
        (tokens(reference), tokens(hypothesis))
        for reference, hypothesis in zip(references, hypotheses)
        if reference.strip()
    ]
    if not pairs:
        return None
    stats = accumulatable_wer_stats(*zip(*pairs))
    errors = stats["substitutions"] + stats["deletions"] + stats["insertions"]
    return errors / stats["num_ref_tokens"]
