"""What a task is, and how a YAML picks the tasks of an experiment."""

import torch

from ser_mtl_modules.errors import SerMtlError, nearest


class Task(torch.nn.Module):
    """A head, the label that it reads, its loss, and what it writes down.

    A task lives in a ``ModuleDict`` under its name; that name is also the key
    of its weight in ``loss_weights``, and of its terms in the log. A new task
    is a subclass in a file of its own, and its lines in the YAML.
    """

    def check(self, rows):
        """Refuses a train set that the task can't learn from.

        Arguments
        ---------
        rows : dict of str to dict
            Of the manifest, by ID.

        Raises
        ------
        SerMtlError
            Says what the corpus has not.
        """

    def forward(self, feats, lens):
        """Computes the prediction for a batch.

        Arguments
        ---------
        feats : torch.Tensor
            The task's features, shape [B, T, d].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        prediction
            Whatever the methods below understand.
        """
        raise NotImplementedError

    def target(self, batch):
        """Reads the labels of a batch, on the device of the task.

        Arguments
        ---------
        batch : speechbrain.dataio.batch.PaddedBatch
            Has a list of strings for every column of the manifest; an empty
            string where the corpus doesn't know.

        Returns
        -------
        target
            Whatever `loss` understands.
        """
        raise NotImplementedError

    def loss(self, prediction, target):
        """The task's loss, a scalar.

        What has no label is left out; a batch without any gives a zero that
        is connected to the graph, so that every rank steps alike. In
        evaluation it may be None instead, which is no part of the mean.
        """
        raise NotImplementedError

    def mix(self, target, shares):
        """The labels of clips that were mixed.

        Arguments
        ---------
        target
            Of the clips before mixing, as `target` gave it.
        shares : torch.Tensor
            How much of each clip's label belongs to each mixed clip, shape
            [n, B] for the first n of them; rows sum to 1.

        Returns
        -------
        target
            As `loss` understands it. Here as it was: labels that can't be
            shared are those of the clip that most of a mixed one is.
        """
        return target

    def losses(self, name, prediction, target, wanted):
        """The task's terms of the objective, by name.

        Most tasks have one, which bears the task's name. Further ones are
        computed only where they are wanted.

        Arguments
        ---------
        name : str
            Of the task.
        prediction, target
            As for `loss`.
        wanted : callable
            Says of a term's name whether it has a weight other than zero.

        Returns
        -------
        dict of str to torch.Tensor
        """
        return {name: self.loss(prediction, target)}

    def describe(self, prediction, batch):
        """What is written down for every utterance of a batch.

        Returns
        -------
        list of dict
            One for each utterance: columns of ``predictions.csv``, by name.
            A value that is an array stays out of that file and goes to the
            metrics alone.
        """
        raise NotImplementedError


def select(main, auxiliary_tasks, **tasks):
    """The tasks of this experiment: the main one first, then the auxiliary.

    Arguments
    ---------
    main : Task or None
        Named ``emotion`` in what is returned. None for a stage without it,
        whose first auxiliary task then has the main one's place.
    auxiliary_tasks : list of str
        Which of ``tasks`` are wanted, in this order.
    **tasks : Task
        All auxiliary tasks that the YAML describes.

    Returns
    -------
    torch.nn.ModuleDict

    Raises
    ------
    SerMtlError
        If a name is not among ``tasks``.
    """
    chosen = {} if main is None else {"emotion": main}
    for name in auxiliary_tasks:
        if name not in tasks:
            raise SerMtlError(
                f"auxiliary_tasks: no task '{name}' in this YAML. "
                + nearest(name, tasks)
            )
        chosen[name] = tasks[name]
    return torch.nn.ModuleDict(chosen)
