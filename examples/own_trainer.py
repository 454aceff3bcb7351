"""Your own training loop, on your own data, asks which loss to train next and tells what it saw.

Plain torch. Nothing of the data leaves this process but its size; the layers are those files of
`profiler/losses` that need only torch. Any number of these may run side by side with one --id.
"""

import argparse
import copy
import time

import numpy as np
import torch
from torch import nn

from advisor.ask_tell import Lease, ToldMeasurement
from api.client import AdvisorClient
from profiler.losses import build
from profiler.optimiser import optimisers

N_USERS, N_ITEMS, DIM, BATCH, EPOCHS, K = 400, 300, 16, 128, 5, 10


def my_data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Who chose what, and per user one item that was held out: [N, 2], [U]; and class counts."""
    draw = np.random.default_rng(0)
    taste = draw.normal(size=(N_USERS, 4)) @ draw.normal(size=(4, N_ITEMS)) * 1.5
    gumbel = draw.gumbel(size=taste.shape) - 0.8 * np.log1p(draw.permutation(N_ITEMS))
    chosen = torch.from_numpy(np.argsort(-(taste + gumbel), axis=1)[:, :21].copy())
    users = torch.arange(N_USERS).repeat_interleave(20)
    pairs = torch.stack([users, chosen[:, :20].reshape(-1)], dim=1)
    return pairs, chosen[:, 20], torch.bincount(pairs[:, 1], minlength=N_ITEMS)


PAIRS, HELD_OUT, COUNTS = my_data()


class MyTrial:
    """A model in training: an embedding per user, and the output layer that is asked for."""

    def __init__(self, loss: str, settings: dict, seed: int) -> None:
        rate, decay = settings.pop("learning_rate"), settings.pop("weight_decay")
        torch.manual_seed(seed)  # first the encoder: the same for every loss
        self.encoder = nn.Embedding(N_USERS, DIM, sparse=True)
        nn.init.normal_(self.encoder.weight, std=0.1)
        self.layer = build(loss, DIM, N_ITEMS, class_counts=COUNTS, **settings)
        self.optimisers = optimisers([self.encoder, self.layer], rate, decay)
        self.seed, self.examples, self.seconds = seed, 0, 0.0

    def train_until(self, examples: int) -> None:
        """Step on, batch by batch; the order of the data depends on seed and epoch alone."""
        started = time.perf_counter()
        while self.examples < examples:
            epoch, at = divmod(self.examples, len(PAIRS))
            order = torch.randperm(
                len(PAIRS), generator=torch.Generator().manual_seed(1000 * self.seed + epoch)
            )
            batch = PAIRS[order[at : at + BATCH]]
            for optimiser in self.optimisers:
                optimiser.zero_grad()
            self.layer(self.encoder(batch[:, 0]), batch[:, 1]).backward()
            for optimiser in self.optimisers:
                optimiser.step()
            self.examples += BATCH
        self.seconds += time.perf_counter() - started

    @torch.no_grad()
    def ndcg(self) -> float:
        """NDCG@K of the held-out items over all classes, what was chosen before left out."""
        scores = self.layer.scores(self.encoder.weight)
        scores[PAIRS[:, 0], PAIRS[:, 1]] = -torch.inf
        ranks = (scores >= scores.gather(1, HELD_OUT[:, None])).sum(1)  # a tie counts against it
        return float(torch.where(ranks <= K, 1 / torch.log2(1.0 + ranks), 0.0).mean())


def train(advisor: AdvisorClient, lease: Lease, kept: dict[str, MyTrial]) -> None:
    """Train one leg, from where it stopped if that was here, and tell each measurement."""
    leg, started = lease.leg, time.perf_counter()
    trial = kept.get(lease.trial_id)
    if trial is None or trial.examples != leg.from_examples:
        candidate = leg.trial.candidate
        trial = MyTrial(candidate.loss, copy.copy(candidate.settings), leg.trial.seed)
        trial.train_until(leg.from_examples)
    trial.seconds = 0.0
    for examples in leg.checkpoints:
        trial.train_until(examples)
        point = ToldMeasurement.of(examples, trial.ndcg(), trial.seconds)
        wall_seconds = time.perf_counter() - started
        told = advisor.tell(lease, [point], wall_seconds=wall_seconds)
        if told.should_stop and not told.leg_has_ended:
            told = advisor.tell(lease, outcome="completed", wall_seconds=wall_seconds)
        if told.leg_has_ended:
            break
    kept[lease.trial_id] = trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--id", help="go on with this calibration instead of a new one")
    parser.add_argument("--budget", type=float, default=20, help="seconds of training")
    parser.add_argument("--losses", nargs="+", default=["bpr", "sampled_softmax", "softmax"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    task = {
        "name": "my own",
        "kind": "interactions",
        "statistics": {"n_rows": N_USERS, "n_classes": N_ITEMS, "n_examples": len(PAIRS)},
        "metric": f"ndcg@{K}",
        "model": {"embedding_dim": DIM},
        "training": {"batch_size": BATCH},
        "horizon": {"epochs": EPOCHS},
        "losses": {"include": options.losses},
    }
    with AdvisorClient(options.address) as advisor:
        id_ = options.id or advisor.begin_elsewhere(task, options.budget).id
        print(f"calibration {id_}")
        kept: dict[str, MyTrial] = {}
        for lease in advisor.leases(id_):
            train(advisor, lease, kept)
        answer = advisor.answer(id_)
        print(f"{len(kept)} trials; {answer.verdict}: {answer.loss} {answer.settings}")
        for ranked in answer.ranking:
            print(f"{ranked.loss:16s} {ranked.predicted_metric} in {ranked.train_seconds}")


if __name__ == "__main__":
    main()
