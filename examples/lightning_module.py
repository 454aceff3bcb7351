"""Lightning: nn.CrossEntropyLoss swapped for the advised loss, and legs trained for a calibration.

Handwritten digits. Without a service the advice is from theory; with one (--address) this program
trains what a calibration asks for, on its own machine, and tells what it measured. Needs the extra
`lightning`.
"""

import argparse

import lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from advisor import Task, recommend
from advisor.automl.lightning import TellAdvisor
from advisor.evidence import Candidate
from api.client import AdvisorClient
from profiler.losses import build
from profiler.optimiser import optimisers

N_CLASSES, BATCH_SIZE = 10, 64


class Classifier(lightning.LightningModule):
    """An encoder and an output layer; the layer is the loss, and owns the class vectors."""

    def __init__(self, chosen: Candidate, class_counts: torch.Tensor) -> None:
        super().__init__()
        settings = dict(chosen.settings)
        self.rate, self.decay = (float(settings.pop(s)) for s in ("learning_rate", "weight_decay"))
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        # Was: self.output = nn.Linear(64, N_CLASSES), and nn.CrossEntropyLoss() in the step
        self.output = build(chosen.loss, 64, N_CLASSES, class_counts=class_counts, **settings)
        self.automatic_optimization = False  # sampled losses have an optimiser for rows, too

    def training_step(self, batch, _) -> torch.Tensor:
        x, y = batch
        used = self.optimizers()
        used = used if isinstance(used, list) else [used]
        for optimiser in used:
            optimiser.zero_grad()
        loss = self.output(self.encoder(x), y)
        self.manual_backward(loss)
        for optimiser in used:
            optimiser.step()
        return loss

    def configure_optimizers(self):
        return optimisers([self], self.rate, self.decay)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--address", help="of a service, e.g. http://127.0.0.1:8000")
    parser.add_argument("--key")
    parser.add_argument("--budget", type=float, default=60, help="seconds of the calibration")
    parser.add_argument("--losses", nargs="+", help="only these")
    options = parser.parse_args()
    x, y = (torch.from_numpy(a) for a in load_digits(return_X_y=True))
    x, held_out = x.float() / 16, torch.arange(len(y)) % 4 == 0
    counts = torch.bincount(y[~held_out], minlength=N_CLASSES)
    rows = TensorDataset(x[~held_out], y[~held_out])
    task = Task.model_validate(
        {
            "name": "digits",
            "kind": "description",
            "metric": "accuracy",
            "statistics": {"n_rows": len(rows), "n_classes": N_CLASSES, "n_examples": len(rows)},
            "training": {"batch_size": BATCH_SIZE},
            "horizon": {"epochs": options.epochs},
            "losses": {"include": options.losses},
        }
    )

    def accuracy(module: Classifier) -> float:
        with torch.no_grad():
            scores = module.output.scores(module.encoder(x[held_out]))
        return float((scores.argmax(1) == y[held_out]).double().mean())

    def train(chosen: Candidate, seed: int, *callbacks: lightning.Callback) -> Classifier:
        torch.manual_seed(seed)
        module = Classifier(chosen, counts)
        lightning.Trainer(
            max_epochs=options.epochs,
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, DataLoader(rows, BATCH_SIZE, shuffle=True, drop_last=True))
        return module

    answer = recommend(task)
    if options.address:
        with AdvisorClient(options.address, options.key) as client:
            calibration = client.begin_elsewhere(task, options.budget)
            for lease in client.leases(calibration.id, can_pause=False):
                tell = TellAdvisor(client, lease, accuracy, BATCH_SIZE)
                train(lease.leg.trial.candidate, lease.leg.trial.seed, tell)
            answer = client.answer(calibration.id)
    print(f"advised, {answer.evidence_level}: {answer.loss} {answer.settings}")
    chosen = Candidate(loss=answer.loss, settings=answer.settings)
    print(f"accuracy {accuracy(train(chosen, 0).eval()):.4f} after {options.epochs} epochs")


if __name__ == "__main__":
    main()
