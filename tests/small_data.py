"""Small interactions with structure to learn: Zipf popularity times taste in a few dimensions."""

from pathlib import Path
from typing import Any

import numpy as np

from advisor.catalogue import catalogue
from advisor.task import DataSource, Horizon, Model, Task, Training

THREE = {"include": ["bpr", "softmax", "sparsemax"]}  # settled after about 20 legs
SIX = ("bpr", "negative_sampling", "rg2", "sampled_softmax", "softmax", "sparsemax")


def six_losses() -> dict[str, Any]:
    """At all their settings: settled after about 50 legs."""
    return {"include": list(SIX)}


def at_one_setting(*losses: str) -> dict[str, Any]:
    """A task's `losses`, so few that they are soon settled."""
    settings = {
        name: {
            setting.name: [setting.choices[0]]
            for setting in catalogue()[name].settings
            if not setting.at_most_classes  # the data has fewer classes than that
        }
        for name in losses
    }
    return {"include": list(losses), "settings": settings}


def write_interactions(
    path: Path, n_users: int = 300, n_items: int = 200, per_user: int = 20, seed: int = 0
) -> Path:
    """A csv of (user, item) pairs: every user's items are drawn from softmax(taste + log Zipf)."""
    generator = np.random.default_rng(seed)
    users = generator.normal(size=(n_users, 4))
    items = generator.normal(size=(n_items, 4))
    popularity = -0.8 * np.log(1 + np.arange(n_items))
    logits = 1.5 * users @ items.T + generator.permutation(popularity)
    gumbel = generator.gumbel(size=logits.shape)
    chosen = np.argsort(-(logits + gumbel), axis=1)[:, :per_user]
    lines = [f"u{u},i{i}" for u in range(n_users) for i in chosen[u]]
    path.write_text("user,item\n" + "\n".join(lines) + "\n")
    return path


def small_task(path: Path, epochs: float = 5, **changes: object) -> Task:
    """A task over that file that trains in a second or two."""
    fields: dict[str, object] = {
        "name": "small",
        "data": DataSource(path=str(path)),
        "metric": "ndcg@10",
        "model": Model(embedding_dim=16),
        "training": Training(batch_size=256),
        "horizon": Horizon(epochs=epochs),
    }
    return Task.model_validate({**fields, **changes})
