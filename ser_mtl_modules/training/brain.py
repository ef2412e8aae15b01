"""The Brain that all recipes share."""

import contextlib
import itertools
import logging
import sys
import time

import torch

import speechbrain as sb
from ser_mtl_modules.dataio.rank_batches import RankBatchSampler
from ser_mtl_modules.errors import SerMtlError, nearest
from ser_mtl_modules.lobes.rank_batch_norm import join_batch_norms
from ser_mtl_modules.randomness import seed_everything
from ser_mtl_modules.ranks import collect, n_ranks, rank, sum_over_ranks
from ser_mtl_modules.training.averaging import WeightAverage
from ser_mtl_modules.training.checkpoints import progress
from ser_mtl_modules.training.gathering import gather
from ser_mtl_modules.training.loss_balance import Fixed
from ser_mtl_modules.training.preemption import EXIT_CODE, Notice
from ser_mtl_modules.training.results import average_views, metrics_from_rows
from ser_mtl_modules.training.schedule import constant
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import (
    MainProcessContext,
    ddp_broadcast,
    if_main_process,
)

logger = logging.getLogger(__name__)


@register_checkpoint_hooks
class SERBrain(sb.Brain):
    """Trains, chooses the epoch on valid, and goes on after a kill.

    A subclass says in ``compute_forward`` and ``compute_objectives`` what is
    learned. This class sees to how:

    * every step's randomness is seeded by (seed, epoch, step), so that
      nothing random has to be saved;
    * a step whose loss or gradient is not finite is skipped and logged with
      the utterances in it;
    * the learning rate is a function of progress;
    * evaluation uses a running average of the weights;
    * checkpoints hold all of it, also within an epoch;
    * SIGUSR1 during `fit` asks for such a checkpoint, between two steps, and
      for the end of the process (``preemption.py``);
    * several ranks do what one process does with the batches of all of them
      as one: losses, batch norms and gradients are of all clips, evaluation
      hears each clip once, and every decision is the same everywhere.

    Arguments
    ---------
    modules : dict of str to torch.nn.Module
        As for ``sb.Brain``.
    opt_class : callable
        Makes the optimizer of parameters.
    hparams : dict
        As for ``sb.Brain``.
    run_opts : dict
        As for ``sb.Brain``. ``ckpt_interval_steps`` or
        ``ckpt_interval_minutes`` ask for checkpoints within an epoch.
    checkpointer : CrashSafeCheckpointer
        Where to save.
    loss_weights : dict of str to float
        Weight of each term of the objective; a term of weight 0 need not be
        computed, and one without a weight is an error.
    classes : list of str
        Of the main task, for the metrics.
    metric : str
        Of the main task on valid, highest is best, lower loss breaks ties;
        or ``loss``, of all tasks together.
    seed : int
        Of the experiment.
    n_epochs : int
        Of the whole training, for the schedule.
    learning_rates : dict of str to float, optional
        Of the modules that have one of their own, such as a pre-trained
        encoder; the others have that of ``opt_class``.
    schedule : callable
        Factor on the learning rates, of progress in [0, 1].
    optimizers : dict of str to callable, optional
        Makes the optimizer of a module that has one of its own, by the
        module's place in ``modules``, such as ``embedding_losses.center``.
    loss_balance : object
        Gives a factor for the weight of each term (``loss_balance.py``).
    average_decay : float
        Of `WeightAverage`.
    max_nonfinite : int
        Steps that may be skipped in all before training gives up.
    gather_over_ranks : bool
        Whether losses see the clips of all ranks (`of_all_ranks`). Without,
        each rank has losses of its own clips, contrasts and means by class
        weights among them, which count by how many clips it has.
    """

    def __init__(
        self,
        modules,
        opt_class,
        hparams,
        run_opts,
        checkpointer,
        loss_weights,
        classes,
        metric,
        seed,
        n_epochs,
        learning_rates=None,
        schedule=constant,
        average_decay=0.0,
        max_nonfinite=10,
        optimizers=None,
        loss_balance=None,
        gather_over_ranks=True,
    ):
        super().__init__(modules, opt_class, hparams, run_opts, checkpointer)
        self.loss_weights = loss_weights
        self.classes = classes
        self.metric = metric
        self.seed = seed
        self.n_epochs = n_epochs
        self.learning_rates = learning_rates or {}
        for name in self.learning_rates:
            if name not in self.modules:
                raise SerMtlError(
                    f"learning_rates: no module '{name}'. "
                    + nearest(name, self.modules)
                )
        self.own_optimizers = {
            place: (self._module_at(place), make)
            for place, make in (optimizers or {}).items()
        }
        self.schedule = schedule
        self.max_nonfinite = max_nonfinite
        self.loss_balance = loss_balance or Fixed()
        self.gather_over_ranks = gather_over_ranks
        self.average = WeightAverage(self.modules, average_decay)
        self.average.to(self.device)
        self.checkpointer.add_recoverable("average", self.average)
        self.epoch = 1
        self.n_nonfinite = 0
        self.notice = Notice()
        self._leaves = False  # after the checkpoint at hand
        self.seconds = 0.0
        self.cpu_seconds = 0.0  # of this process: others can't stretch it
        self.history = []  # a record of every epoch
        self.loss_sums = {}  # of the stage at hand: {term: [sum, utterances]}
        self.metrics = {}  # of the last evaluation
        self.rows = []  # of the stage at hand: a dict of every utterance
        self._scored = []  # of the stage at hand: losses and rows by batch

    def _module_at(self, place):
        """The module at a dotted place in ``modules``."""
        modules = dict(self.modules.named_modules())
        if place not in modules:
            near = [p for p in modules if p and p.count(".") < 2]
            raise SerMtlError(
                f"optimizers: no module at '{place}'. " + nearest(place, near)
            )
        return modules[place]

    # ---- the objective

    def of_all_ranks(self, *batches):
        """What losses in training are to see: the clips of all ranks.

        Arguments
        ---------
        *batches
            Predictions and targets of this rank's clips, as `gather` takes
            them.

        Returns
        -------
        tuple
            Those of all ranks; the same ones where there is one rank, or
            ``gather_over_ranks`` is False.
        """
        if n_ranks() == 1 or not self.gather_over_ranks:
            return batches
        return gather(batches)

    def objective(self, losses, batch):
        """The weighted sum of the terms, each of which is logged apart.

        Arguments
        ---------
        losses : dict of str to torch.Tensor
            Scalars by name.
        batch : speechbrain.dataio.batch.PaddedBatch
            What they were computed on.

        Returns
        -------
        torch.Tensor
            A scalar.
        """
        losses = {k: loss for k, loss in losses.items() if loss is not None}
        over_ranks = self.modules.training and n_ranks() > 1
        n_here = self._n_utterances = len(batch.id)
        values = losses
        if over_ranks:
            values = self._over_ranks(losses, n_here)
        if self.modules.training:
            self.loss_balance.observe(values)
        total = sum(self.weight(name) * loss for name, loss in losses.items())
        self._terms = {name: loss.detach() for name, loss in values.items()}
        self._terms["loss"] = total.detach()
        if over_ranks:
            self._terms["loss"] = sum(
                self.weight(name) * value for name, value in values.items()
            )
            if not self.gather_over_ranks:
                # DDP averages over ranks, which may have different numbers
                return total * (n_here * n_ranks() / self._n_utterances)
        return total

    def _over_ranks(self, losses, n_here):
        """The terms as means over the utterances of all ranks.

        Also counts those: ``_n_utterances`` becomes their number.
        """
        terms = torch.stack(
            [loss.detach().double() for loss in losses.values()]
        )
        sums = torch.cat([n_here * terms, terms.new_tensor([n_here])])
        *sums, n = sum_over_ranks(sums)
        self._n_utterances = int(n)
        return {name: s / n for name, s in zip(losses, sums)}

    def weight(self, term):
        """What a term of the objective is multiplied by."""
        return self.loss_weights[term] * self.loss_balance.factor(term)

    def wants(self, term):
        """Whether a term of the objective has a weight other than zero."""
        return self.loss_weights[term] != 0

    def _log_losses(self):
        for name, value in self._terms.items():
            sums = self.loss_sums.setdefault(name, [0.0, 0])
            sums[0] += value.item() * self._n_utterances
            sums[1] += self._n_utterances

    def mean_losses(self):
        """Means over the utterances of the stage so far, by term."""
        return {name: s / max(n, 1) for name, (s, n) in self.loss_sums.items()}

    def update_average(self, loss, avg_loss):
        """The mean over utterances, for the progress bar and the log."""
        return self.mean_losses().get("loss", 0.0)

    # ---- training

    def loader(self, dataset, sampler, n_workers=0, training=False):
        """A data loader whose batches are those of the sampler.

        Of several ranks, each has its share; in training equally many batches,
        and otherwise each clip once.
        """
        if n_ranks() > 1:
            sampler = RankBatchSampler(sampler, rank(), n_ranks(), training)
        return torch.utils.data.DataLoader(
            dataset,
            batch_sampler=sampler,
            collate_fn=PaddedBatch,
            num_workers=n_workers,
            persistent_workers=n_workers > 0,
            pin_memory=self.device.startswith("cuda"),
        )

    def fit(self, epoch_counter, train_set, valid_set=None, **kwargs):
        """As ``sb.Brain.fit``, of loaders made by `loader`.

        Raises
        ------
        SystemExit
            With `EXIT_CODE` after SIGUSR1, when there is a checkpoint.
        """
        self.train_sampler = train_set.batch_sampler
        with self.notice:
            super().fit(epoch_counter, train_set, valid_set, **kwargs)

    def on_fit_start(self):
        """Makes the optimizer and goes on from the last checkpoint."""
        self._compile()
        self._wrap_distributed()
        self.init_optimizers()
        for group in self.param_groups():
            group["initial_lr"] = group["lr"]
        self.checkpointer.recover_if_possible(importance_key=progress)
        self._clocks = time.monotonic(), time.process_time()

    def _wrap_distributed(self):
        """Makes the forward pass and objective one module, which DDP wraps.

        SpeechBrain would wrap each of ``modules``; but what is in a
        ``ModuleDict`` is called by itself, and losses have weights too.
        """
        self._step_of_rank = Step(self)
        if n_ranks() > 1:
            join_batch_norms(self.modules)
            self._step_of_rank = torch.nn.parallel.DistributedDataParallel(
                self._step_of_rank,
                broadcast_buffers=False,  # they are the same already
                find_unused_parameters=True,  # such as those of a weight of 0
            )

    def no_sync(self, use=True):
        """Within, gradients add up in the rank, if this is wanted."""
        if use and n_ranks() > 1:
            return self._step_of_rank.no_sync()
        return contextlib.nullcontext()

    def _read_clocks(self):
        """Adds what went by since the last time to the time of training."""
        before = self._clocks
        self._clocks = time.monotonic(), time.process_time()
        self.seconds += self._clocks[0] - before[0]
        self.cpu_seconds += self._clocks[1] - before[1]

    def init_optimizers(self):
        """One optimizer; modules with a rate of their own are its groups.

        What has an optimizer of its own is in none of these groups.
        """
        elsewhere = {
            parameter
            for module, _ in self.own_optimizers.values()
            for parameter in module.parameters()
        }
        common, groups = [], []
        for name, module in self.modules.items():
            trained = [
                p
                for p in module.parameters()
                if p.requires_grad and p not in elsewhere
            ]
            if name not in self.learning_rates:
                common += trained
            elif trained:
                rate = self.learning_rates[name]
                groups.append({"params": trained, "lr": rate})
        if groups:
            common = [{"params": common}, *groups]
        self.optimizer = self.opt_class(common)
        self.optimizers_dict = {"opt_class": self.optimizer}
        self.checkpointer.add_recoverable("optimizer", self.optimizer)
        for place, (module, make) in self.own_optimizers.items():
            own = make(list(module.parameters()))
            self.optimizers_dict[place] = own
            self.checkpointer.add_recoverable(f"optimizer of {place}", own)

    def param_groups(self):
        """Those of all optimizers."""
        for optimizer in self.optimizers_dict.values():
            yield from optimizer.param_groups

    def on_stage_start(self, stage, epoch=None):
        """Empties the sums; a resumed epoch keeps what it had summed."""
        if stage == sb.Stage.TRAIN:
            self.epoch = epoch
            # a checkpoint within this epoch has restored step and sums
            self.train_sampler.skip = self.step
            if self.step == 0:
                self.loss_sums = {}
        else:
            self.rows, self._scored = [], []
            self._train_sums, self.loss_sums = self.loss_sums, {}
            self.average.swap(self.modules)

    def fit_batch(self, batch):
        """One step, or none where loss or gradient is not finite."""
        which = (rank(),) if rank() else ()  # the first draws as one alone
        seed_everything(self.seed, "step", self.epoch, self.step, *which)
        should_step = not self._is_within_step()
        self.on_fit_batch_start(batch, should_step)
        with self.no_sync(not should_step):
            with self.training_ctx:
                loss = self._step_of_rank(batch)
            predictions, self.predictions = self.predictions, None
            # where it is not finite on one rank, none of them goes on
            if sum_over_ranks((~torch.isfinite(loss)).float()):
                return self._skip("loss", batch)
            scaled = self.scaler.scale(loss / self.grad_accumulation_factor)
            scaled.backward()
        if should_step and not self._step():
            return self._skip("gradient", batch)
        self._log_losses()
        self.on_fit_batch_end(batch, predictions, loss, should_step)
        return loss.detach().cpu()

    def _is_within_step(self):
        """Whether gradients add up with those of the next batch.

        They don't after an epoch's last batch, however many it is: SpeechBrain
        would throw away what is left.
        """
        is_last = self.step == len(self.train_sampler)
        return self.step % self.grad_accumulation_factor != 0 and not is_last

    def _should_save_intra_epoch_ckpt(self, last_ckpt_time, steps_since_ckpt):
        """As SpeechBrain's, or because this process has to make room.

        But never where a checkpoint lacks gradients.
        """
        if self._is_within_step():
            return False
        self._leaves = self._is_asked_to_leave()
        return self._leaves or super()._should_save_intra_epoch_ckpt(
            last_ckpt_time, steps_since_ckpt
        )

    def _step(self):
        """Steps unless a gradient is not finite; says whether it stepped."""
        done = (
            self.epoch - 1 + self.step / len(self.train_sampler)
        ) / self.n_epochs
        for group in self.param_groups():
            group["lr"] = group["initial_lr"] * self.schedule(done)
        # the scaler refuses an optimizer none of whose parameters took part
        taking_part = [
            optimizer
            for optimizer in self.optimizers_dict.values()
            if any(
                p.grad is not None
                for group in optimizer.param_groups
                for p in group["params"]
            )
        ]
        for optimizer in taking_part:
            self.scaler.unscale_(optimizer)
        # over all groups: SpeechBrain's clips the first group alone
        parameters = [
            p for group in self.param_groups() for p in group["params"]
        ]
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)
        # with fp16 the scaler itself skips, and lowers its scale
        if not torch.isfinite(norm) and not self.scaler.is_enabled():
            return False
        for optimizer in taking_part:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.zero_grad(set_to_none=True)
        self.optimizer_step += 1
        self.average.update(self.modules)
        return True

    def _skip(self, what, batch):
        """Logs a step that is not taken; gives up after too many."""
        self.zero_grad(set_to_none=True)
        self.n_nonfinite += 1
        ids = ", ".join(batch.id)
        logger.warning(
            f"Epoch {self.epoch}, step {self.step}: {what} is not finite; the "
            f"step is skipped. Utterances: {ids}"
        )
        if self.n_nonfinite > self.max_nonfinite:
            raise SerMtlError(
                f"{self.n_nonfinite} steps had a loss or gradient that is not "
                f"finite (max_nonfinite is {self.max_nonfinite}), the last in "
                f"epoch {self.epoch}, step {self.step}, with {ids}. Lower the "
                "learning rate or the precision's risk (--precision=fp32), or "
                "look at these utterances."
            )
        return torch.tensor(float("nan"))

    # ---- evaluation

    def evaluate_batch(self, batch, stage):
        """Forward pass, losses, and what is written down."""
        # not in test: its weights are those of the best epoch
        is_valid = stage == sb.Stage.VALID
        if is_valid and self.notice.given and if_main_process():
            self._leave_valid()
        with torch.no_grad(), self.evaluation_ctx:
            predictions = self.compute_forward(batch, stage)
            loss = self.compute_objectives(predictions, batch, stage)
        self._log_losses()
        n_before = len(self.rows)
        self._write_down(predictions, batch)
        terms = {name: value.cpu() for name, value in self._terms.items()}
        rows = self.rows[n_before:]
        self._scored.append((terms, self._n_utterances, rows))
        return loss.detach().cpu()

    def _join_ranks(self):
        """Losses and rows of all ranks, in the order of a single process.

        Ranks have every N-th batch each, and the sums are taken batch by
        batch, so that not even their rounding differs. The first rank alone
        has all rows.
        """
        self.loss_sums = {}
        scored = collect(self._scored)
        if scored is not None:
            self.rows = []
            for batch in itertools.chain(*itertools.zip_longest(*scored)):
                if batch is not None:
                    self._terms, self._n_utterances, rows = batch
                    self._log_losses()
                    self.rows += rows
        self.loss_sums = ddp_broadcast(self.loss_sums)

    def _write_down(self, predictions, batch):
        """Appends what every task says of every utterance to ``rows``."""
        described = [
            task.describe(predictions[name], batch)
            for name, task in self.modules.tasks.items()
        ]
        for i, utterance in enumerate(batch.id):
            row = {"ID": utterance, "speaker": batch.speaker[i]}
            row["gender"] = batch.gender[i]
            row["style"] = batch.style[i]
            for rows in described:
                row.update(rows[i])
            self.rows.append(row)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """After valid: records the epoch and saves; after test, only scores."""
        if stage == sb.Stage.TRAIN:
            return
        self.average.swap(self.modules)
        if n_ranks() > 1:
            self._join_ranks()
        if if_main_process():
            self.rows = average_views(self.rows)
            self.metrics = metrics_from_rows(self.rows, self.classes)
        self.metrics = ddp_broadcast(self.metrics)
        losses = self.mean_losses()
        self.loss_sums = self._train_sums
        if stage == sb.Stage.VALID:
            self._record(epoch, losses)

    def _record(self, epoch, losses):
        self._read_clocks()
        self.history.append(
            {
                "epoch": epoch,
                "lr": self.optimizer.param_groups[0]["lr"],
                "train": self.mean_losses(),
                "valid": losses,
                "metrics": self.metrics,
            }
        )
        self.on_epoch_end(self.history[-1])
        main = next(iter(self.modules.tasks))
        by_loss = self.metric == "loss"
        self.checkpointer.save_checkpoint(
            {
                "epoch": epoch,
                "step": 0,
                "score": 0 if by_loss else self.metrics[main][self.metric],
                "loss": losses["loss"],
            }
        )
        self.checkpointer.keep(progress, best)
        if self._is_asked_to_leave():
            self._leave()

    def on_epoch_end(self, record):
        """For a subclass to log what is in ``history`` of this epoch."""

    def _save_intra_epoch_ckpt(self):
        self._read_clocks()
        self.checkpointer.save_checkpoint(
            {"epoch": self.epoch - 1, "step": self.step * n_ranks()},
            end_of_epoch=False,
        )
        self.checkpointer.keep(progress, best)
        if self._leaves:
            self._leave()

    # ---- making room for others

    def _is_asked_to_leave(self):
        """Whether one of the ranks got the signal; all know the same."""
        if n_ranks() == 1:
            return self.notice.given
        given = torch.tensor(float(self.notice.given), device=self.device)
        return bool(sum_over_ranks(given))

    def _leave_valid(self):
        """Saves what the epoch's last step left, and ends.

        The first rank alone does so, as each may be in another batch; the
        others end when ``torchrun`` ends them.
        """
        self.average.swap(self.modules)
        self.loss_sums = self._train_sums
        self.step = len(self.train_sampler)
        self._leaves = True
        with MainProcessContext():
            self._save_intra_epoch_ckpt()

    def _leave(self):
        logger.info(
            f"SIGUSR1 in epoch {self.epoch}: a checkpoint is saved, and the "
            "same command goes on from it."
        )
        sys.exit(EXIT_CODE)

    # ---- evaluation of the best epoch

    def on_evaluate_start(self, max_key=None, min_key=None):
        """Loads the best epoch; an untrained model is never scored."""
        kept = ("history", "seconds", "cpu_seconds", "n_nonfinite")
        whole = {name: getattr(self, name) for name in kept}
        found = self.checkpointer.recover_if_possible(importance_key=best)
        if found is None or "score" not in found.meta:
            raise SerMtlError(
                f"{self.checkpointer.checkpoints_dir}: no epoch has been "
                "finished, so there is nothing to evaluate. Train first."
            )
        self.best_epoch = found.meta["epoch"]
        if whole["history"]:  # of all epochs, not of those up to the best
            vars(self).update(whole)

    @contextlib.contextmanager
    def evaluating(self):
        """Within, modules are as in evaluation: averaged, without gradients."""
        self.modules.eval()
        self.average.swap(self.modules)
        try:
            with torch.no_grad(), self.evaluation_ctx:
                yield
        finally:
            self.average.swap(self.modules)

    # ---- what else a checkpoint holds

    @mark_as_saver
    def _save(self, path):
        state = {
            # batches of all ranks: another number of them can go on from here
            "step": self.step * n_ranks(),
            "optimizer_step": self.optimizer_step,
            "n_nonfinite": self.n_nonfinite,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "history": self.history,
            "loss_sums": self.loss_sums,
            "loss_balance": self.loss_balance.state_dict(),
        }
        torch.save(state, path)

    @mark_as_loader
    def _recover(self, path, end_of_epoch):
        state = torch.load(path, weights_only=True)
        # checkpoints that were written before there was one have none
        self.loss_balance.load_state_dict(state.pop("loss_balance", {}))
        if end_of_epoch:
            state["step"], state["loss_sums"] = 0, {}
        state["step"] //= n_ranks()
        for name, value in state.items():
            setattr(self, name, value)


class Step(torch.nn.Module):
    """What a Brain computes in a step, as one module.

    Arguments
    ---------
    brain : SERBrain
        Whose modules are all of this one's weights.
    """

    def __init__(self, brain):
        super().__init__()
        self.parts = brain.modules
        self.brain = brain

    def forward(self, batch):
        """The objective; the Brain keeps the predictions.

        These are no output: DDP would wait for the gradients of those that no
        loss is made of.
        """
        brain, stage = self.brain, sb.Stage.TRAIN
        brain.predictions = brain.compute_forward(batch, stage)
        return brain.compute_objectives(brain.predictions, batch, stage)


def best(checkpoint):
    """Higher score, then lower loss, then the earlier epoch."""
    meta = checkpoint.meta
    if "score" not in meta:
        return (0,)
    return 1, meta["score"], -meta["loss"], -meta["epoch"]
