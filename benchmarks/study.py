"""docs/study.md, written from the ground truth's curves and the measured gradients.

    python -m benchmarks.study [--docs docs]

Everything in it is computed from benchmarks/curves/; nothing is trained here.
"""

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.study_facts import NEARLY_FINAL, LossOnTask, TaskFacts, all_tasks

_CLOSE = 0.03  # within this share of the best a loss counts as as good
_EARLY = 0.1  # of the horizon

Cells = Sequence[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    docs = parser.parse_args().docs
    from benchmarks.study_figures import draw  # only here is matplotlib needed

    tasks = all_tasks()
    figures = draw(tasks, docs / "figures")
    (docs / "study.md").write_text(markdown(tasks), encoding="utf-8")
    print(f"{docs / 'study.md'} and {len(figures)} figures, from {len(tasks)} tasks")


def markdown(tasks: Sequence[TaskFacts]) -> str:
    """The page; its figures lie in figures/ beside it."""
    return "\n\n".join(_parts(tasks)) + "\n"


def _parts(tasks: Sequence[TaskFacts]) -> Iterator[str]:
    yield "# Twelve losses on eight tasks"
    yield _INTRODUCTION.format(
        n_settings=sum(t.n_settings for t in tasks), n_trials=sum(t.n_trials for t in tasks)
    )
    yield _table(
        ("task", "kind", "classes", "examples", "metric", "epochs", "settings", "trainings"),
        [
            (
                t.name,
                t.kind,
                f"{t.n_classes:,}",
                f"{t.n_examples:,}",
                t.metric,
                f"{t.horizon_epochs:g}",
                str(t.n_settings),
                str(t.n_trials),
            )
            for t in tasks
        ],
    )
    yield "## Is softmax all you need?"
    yield _is_softmax_enough(tasks)
    yield "![Share of the best loss, by task](figures/study-final.svg)"
    yield _shares_table(tasks)
    yield "## The winner changes with the budget"
    yield _early_and_late(tasks)
    yield "![Best value so far against training seconds](figures/study-curves.svg)"
    yield "## Theory beside measurement"
    yield _theory(tasks)
    yield "![Cosine to the exact gradient against the final value](figures/study-gradients.svg)"
    yield "## Task by task"
    yield _LEGEND
    for task in tasks:
        yield f"### {task.name}"
        yield _task_table(task)


_INTRODUCTION = """\
Written by `python -m benchmarks.study` from the curves in `benchmarks/curves/`; do not edit. It
looks at what *Is Softmax Loss All You Need?* (arXiv 2601.22745) asks, on real data of five kinds:
{n_settings} settings, {n_trials} trainings, each loss tuned by itself over up to eight settings
(learning rate, weight decay, temperature or negatives), everything else the same. The theory is
that of our own notes, checked in [theory.md](theory.md); nothing here is claimed as a theorem of
the paper.

How it was measured: curves against examples on one core, so that other load moves nothing; seconds
a step from one interleaved probe of all losses a task. A loss stands for its setting with the best
validation at the horizon, the best of eight looked at on the rows it was chosen by: this flatters
all losses alike. Horizons are short, some of them before convergence, as the table says: it is
what these losses give for this much training. Most settings have one seed (the tables say where
there are more): differences below about 2% are not resolved, and ranks within that are chance."""

_LEGEND = f"""\
Each loss at its best setting. *Theory*: whether the card says that the minimiser ranks as the
metric wants. *Bias*, *variance* and *cosine* are of the gradient on one batch after a tenth of the
training, set beside softmax's exact one at the same parameters, norms relative to its norm (bias in
brackets where no more than chance shows); they say how far a loss does something else than softmax,
not how good it is. *To {NEARLY_FINAL:.0%}*: epochs until validation first stands at
{NEARLY_FINAL:.0%} of what it comes to. Seconds and bytes are of training, without evaluation."""


def _is_softmax_enough(tasks: Sequence[TaskFacts]) -> str:
    shares = _shares(tasks)
    behind = {t.name: 1 - t.share("softmax") for t in tasks if "softmax" in t.by_loss}
    close = [name for name, lost in behind.items() if lost <= _CLOSE]
    worst = max(behind, key=lambda name: behind[name])
    firsts = [t.losses[0].loss for t in tasks]
    safest = max(shares, key=lambda name: min(shares[name]))
    place = sorted(shares, key=lambda n: -statistics.mean(shares[n])).index("softmax") + 1
    winners = ", ".join(f"{t.losses[0].loss} ({t.name})" for t in tasks)
    return (
        f"Tuned softmax is within {_CLOSE:.0%} of the best loss on {len(close)} of {len(behind)} "
        f"tasks, the very best on {firsts.count('softmax')}, and {behind[worst]:.0%} behind at "
        f"worst ({worst}); by its mean share of the best it is number {place} of {len(shares)}. "
        f"The safest loss is {safest}: {statistics.mean(shares[safest]):.1%} of the best in the "
        f"mean and {min(shares[safest]):.1%} at worst. First on its task: {winners}. Which loss is "
        f"best depends on the task more than on what theory says of the loss; that is why it is "
        f"measured. Sampled softmax, a fraction of softmax's seconds where there are many classes, "
        f"comes to {statistics.mean(shares['sampled_softmax']):.0%}, and binary cross-entropy with "
        f"negatives to {statistics.mean(shares['negative_sampling']):.0%}."
    )


def _shares(tasks: Sequence[TaskFacts]) -> dict[str, list[float]]:
    """Shares of the best by loss, one for every task that it was trained on."""
    names = sorted({loss for t in tasks for loss in t.by_loss})
    return {n: [t.share(n) for t in tasks if n in t.by_loss] for n in names}


def _shares_table(tasks: Sequence[TaskFacts]) -> str:
    shares = _shares(tasks)
    names = sorted(shares, key=lambda n: -statistics.mean(shares[n]))
    rows = [
        (
            name,
            f"{statistics.mean(shares[name]):.1%}",
            f"{min(shares[name]):.1%}",
            *(f"{t.share(name):.1%}" if name in t.by_loss else "" for t in tasks),
        )
        for name in names
    ]
    return _table(("loss", "mean", "worst", *(t.name for t in tasks)), rows)


def _early_and_late(tasks: Sequence[TaskFacts]) -> str:
    rows: list[Cells] = []
    lost: list[float] = []
    for task in tasks:
        early, late = task.best_at(_EARLY), task.best_at(1.0)
        first = next(iter(early))
        lost.append(1 - late[first] / max(late.values()))
        rows.append(
            (
                task.name,
                first,
                f"{early['softmax'] / early[first]:.0%}" if "softmax" in early else "",
                next(iter(late)),
                f"{1 - lost[-1]:.1%}",
            )
        )
    changed = sum(row[1] != row[3] for row in rows)
    table = _table(
        ("task", "best early", "softmax then", "best at the horizon", "the early best there"), rows
    )
    return (
        f"After {_EARLY:.0%} of the training another loss leads than at its end on {changed} of "
        f"{len(tasks)} tasks. Who keeps the early leader, tuned again for the long run, gives away "
        f"{statistics.mean(lost):.1%} in the mean. Each loss at its best setting for that time; "
        f"shares are of the best loss then.\n\n{table}"
    )


def _theory(tasks: Sequence[TaskFacts]) -> str:
    def mean_share(wanted: Callable[[LossOnTask], bool]) -> float:
        return statistics.mean(t.share(x.loss) for t in tasks for x in t.losses if wanted(x))

    by_status = {
        status: mean_share(lambda x, status=status: x.consistency == status)
        for status in sorted({x.consistency for t in tasks for x in t.losses})
    }
    told = ", ".join(f"{status} {share:.0%}" for status, share in by_status.items())
    correlations = [c for t in tasks if (c := _rank_correlation(t)) is not None]
    shares = _shares(tasks)
    rankmax = statistics.mean(shares["rankmax"])
    quadratic = statistics.mean([*shares["rg2"], *shares["rgx"]])
    return (
        f"**Consistency is not what decides here.** Mean share of the best by what the card says: "
        f"{told}. Rankmax, whose minimiser need not rank as p does, comes to {rankmax:.0%}; rg2 "
        f"and rgx, which are consistent, to {quadratic:.0%}. The minimiser over free scores is a "
        f"limit that a model of a few dozen dimensions on a finite sample does not come near. The "
        f"advisor takes consistency as a note beside what was measured, never as a veto.\n\n"
        f"**A gradient like softmax's goes with quality, loosely.** Rank correlation over the "
        f"losses of a task between the cosine of one gradient and the final value: "
        f"{statistics.mean(correlations):.2f} in the mean of {len(correlations)} tasks, from "
        f"{min(correlations):.2f} to {max(correlations):.2f}. {_unbiased(tasks)} Losses with a "
        f"sparse or a quadratic form point elsewhere than softmax from the start, and some of them "
        f"learn more for it."
    )


def _unbiased(tasks: Sequence[TaskFacts]) -> str:
    """Where theory says that a correction leaves little bias: what was measured."""
    seen = [
        agreement
        for t in tasks
        if (found := t.by_loss.get("sampled_softmax")) and found.diagnosis
        if (agreement := found.diagnosis.agreement) is not None
    ]
    ratios = [agreement.bias / agreement.bias_floor for agreement in seen]
    return (
        f"Sampled softmax with its log q correction, nearly unbiased in theory, shows "
        f"{min(ratios):.1f} to {max(ratios):.1f} times the bias that chance alone would on "
        f"{len(ratios)} tasks."
    )


def _rank_correlation(task: TaskFacts) -> float | None:
    pairs = [
        (x.diagnosis.agreement.cosine.mean, x.validation)
        for x in task.losses
        if x.diagnosis and x.diagnosis.agreement
    ]
    if len(pairs) < 5:
        return None
    ranks = [np.argsort(np.argsort(column)) for column in zip(*pairs, strict=True)]
    return float(np.corrcoef(ranks)[0, 1])


def _task_table(task: TaskFacts) -> str:
    head = (
        "loss",
        f"validation {task.metric}",
        "test",
        "seeds",
        "theory",
        "bias",
        "variance",
        "cosine",
        f"epochs to {NEARLY_FINAL:.0%}",
        "s/epoch",
        "MiB",
        "settings",
    )
    return _table(head, [_row(task, found) for found in task.losses])


def _row(task: TaskFacts, found: LossOnTask) -> Cells:
    seen = found.diagnosis.agreement if found.diagnosis else None
    spread = f" ±{found.validation_sd:.4f}" if found.validation_sd is not None else ""
    bias = variance = cosine = ""
    if seen is not None:
        by_chance = seen.bias <= 1.2 * seen.bias_floor and seen.n_draws > 1
        bias = f"({seen.bias:.2f})" if by_chance else f"{seen.bias:.2f}"
        variance = f"{seen.variance:.2g}" if seen.n_draws > 1 else "0"
        cosine = f"{seen.cosine.mean:.2f}"
    return (
        found.loss,
        f"{found.validation:.4f}{spread}",
        f"{found.test:.4f}" if found.test is not None else "",
        str(found.n_seeds),
        found.consistency,
        bias,
        variance,
        cosine,
        f"{found.examples_to_nearly_final / task.n_examples:.2g}",
        f"{found.seconds_per_example * task.n_examples:.3g}",
        f"{found.peak_bytes / 2**20:.0f}" if found.peak_bytes else "",
        ", ".join(
            f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in found.settings.items()
        ),
    )


def _table(head: Cells, rows: Sequence[Cells]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
