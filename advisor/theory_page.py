"""docs/theory.md from the cards: every claim with its condition, status, source and check."""

from collections.abc import Iterable, Mapping

from advisor.card import Claim, KnownLoss, LossCard
from advisor.task import METRICS, Metric

_INTRODUCTION = """\
# Theory

Written from the cards in `advisor/losses` by `make docs`; do not edit.

What is known of each loss before anything is measured. C classes, B rows, D features, K
negatives; s scores, p the true probabilities of the classes given a row, q the proposal, pi =
softmax(s), y the target. A claim is

- **proved**: derived, and its check computes it for random laws or settles it by enumeration;
- **measured**: seen in an experiment that its check repeats;
- **reported**: taken from a source, not repeated here;
- **assumed**: neither.

"Theory notes n" are the project's working notes by section; what could be checked of them is
checked here. "Recalled" sources were cited from memory, not read again.
"""
_FACTS = (
    "formula",
    "minimiser",
    "smoothness",
    "gradient_bias",
    "gradient_variance",
    "step_cost",
)


def theory_markdown(losses: Mapping[str, KnownLoss]) -> str:
    """The page, by loss in the order given; ends in a newline."""
    claims = [claim for loss in losses.values() for claim in loss.card.claims]
    n_checked = sum(claim.check is not None for claim in claims)
    parts = [
        f"{_INTRODUCTION}\n{len(claims)} claims, {n_checked} of them checked by `make test`; the "
        "others say why not.\n",
        _consistency(losses),
        *(_section(loss.card) for loss in losses.values()),
    ]
    return "\n".join(parts)


def _consistency(losses: Mapping[str, KnownLoss]) -> str:
    """Loss against metric, every setting at its first choice."""
    metrics = [Metric.parse(f"{name}@10" if kind.at_k else name) for name, kind in METRICS.items()]
    rows = [
        [name, *(loss.consistency(metric, _first_choices(loss.card)).status for metric in metrics)]
        for name, loss in losses.items()
    ]
    return (
        "## Consistency with a metric\n\nWhether the minimiser ranks as the metric wants, every "
        "setting at its first choice; `unknown` where theory\nis silent. A prior and a warning, "
        f"never a veto over what was measured.\n\n{_table(['loss', *map(str, metrics)], rows)}"
    )


def _first_choices(card: LossCard) -> dict[str, bool | int | float | str]:
    return {setting.name: setting.choices[0] for setting in card.settings}


def _section(card: LossCard) -> str:
    facts = "\n".join(f"- {name.replace('_', ' ')}: {getattr(card, name)}" for name in _FACTS)
    header = ["about", "claim", "condition", "status", "source", "check"]
    rows = [
        [claim.topic, claim.statement, claim.condition, claim.status, claim.source, _check(claim)]
        for claim in card.claims
    ]
    sources = "\n".join(f"- {source}" for source in card.sources)
    return (
        f"## {card.name}\n\n{card.title} ({card.family}).\n\n{facts}\n\n"
        f"{_table(header, rows)}\nSources:\n\n{sources}\n"
    )


def _check(claim: Claim) -> str:
    if claim.check is None:
        return f"none: {claim.unchecked_because}"
    path, test = claim.check.split("::")
    return f"[`{test}`](../{path})"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(header), *(list(row) for row in rows)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    lines.insert(1, "|" + "---|" * len(cells[0]))
    return "\n".join(lines) + "\n"
