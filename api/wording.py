"""Words for people: durations, sizes, settings and the verdict, for the terminal and the report.

Inside the program everything is seconds, bytes and fractions; "ms", "MiB" and "%" exist only here.
"""

from collections.abc import Mapping, Sequence

from advisor.recommendation import RankedCandidate, Recommendation
from advisor.task import Horizon, SettingValue
from advisor.value import Interval

LEVELS = {
    "theory": "theory: what the cards of the losses say; nothing was measured",
    "prior": "stored profiles of similar tasks; nothing was measured on this one",
    "measured": "measured on this task",
}
CONSISTENCY_SIGNS = {"consistent": "✓", "conditional": "~", "inconsistent": "✗", "unknown": "?"}
_TIED_FROM = 0.8  # the leaders are those who together are the best with this probability


def duration(seconds: float) -> str:
    """ "4.2 ms", "3.4 s", "2 min 5 s", "1 h 20 min"."""
    if seconds == 0:
        return "0 s"
    if seconds < 0.1:
        return f"{seconds * 1e3:.2g} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0", "")
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes and hours < 24 else f"{hours} h"


def duration_interval(interval: Interval) -> str:
    """ "3.4 s (3.1-3.8)": the bounds in the unit of the mean."""
    mean = interval.mean
    factor, unit = (1e3, "ms") if mean < 0.1 else (1, "s") if mean < 119.5 else (1 / 60, "min")
    digits = 1 if mean * factor < 9.95 else 0
    low, high = (f"{bound * factor:.{digits}f}" for bound in (interval.low, interval.high))
    if low == high:
        return f"{mean * factor:.{digits}f} {unit}"
    return f"{mean * factor:.{digits}f} {unit} ({low}-{high})"


def size(n_bytes: float) -> str:
    """ "512 KiB", "12.3 MiB", "1.50 GiB"."""
    if n_bytes < 2**20:
        return f"{n_bytes / 2**10:.0f} KiB"
    if n_bytes < 2**30:
        return f"{n_bytes / 2**20:.{1 if n_bytes < 100 * 2**20 else 0}f} MiB"
    return f"{n_bytes / 2**30:.2f} GiB"


def probability(p: float) -> str:
    """Whole percent; never 0% or 100%, which nobody knows, unless it is exactly that."""
    if 0 < p < 0.01:
        return "<1%"
    if 0.99 < p < 1:
        return ">99%"
    return ">99%" if p == 1 else f"{p:.0%}"


def metric_value(value: float) -> str:
    """ "0.2912", and "123.4" of a metric that is no share, like perplexity."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1e5 else "> 1e5"


def metric_interval(interval: Interval) -> str:
    """ "0.2912 (0.288-0.294)", "123.4 (119-128)"."""
    digits = 3 if interval.mean < 10 else 0
    low, high = (
        f"{bound:.{digits}f}" if bound < 1e5 else "> 1e5" for bound in (interval.low, interval.high)
    )
    return f"{metric_value(interval.mean)} ({low}-{high})"


def predicted(ranked: RankedCandidate) -> str:
    """The metric at the horizon with its interval; "unknown", and "-" where it cannot be had."""
    if not ranked.feasible:
        return "-"
    return metric_interval(ranked.predicted_metric) if ranked.predicted_metric else "unknown"


def setting(value: SettingValue) -> str:
    """One setting's value, as it would stand in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def settings(values: Mapping[str, SettingValue]) -> str:
    """ "learning_rate 0.003, weight_decay 0.0001"."""
    return ", ".join(f"{name} {setting(value)}" for name, value in values.items())


def horizon(wanted: Horizon) -> str:
    """ "20 epochs", "60 s of training", or both."""
    parts: list[str] = []
    if wanted.epochs is not None:
        parts.append(f"{wanted.epochs:g} epoch{'' if wanted.epochs == 1 else 's'}")
    if wanted.seconds is not None:
        parts.append(f"{duration(wanted.seconds)} of training")
    return " or ".join(parts)


def leaders(answer: Recommendation) -> list[RankedCandidate]:
    """Those who together are the best with probability 0.8, the recommended one first."""
    first, *rest = answer.ranking
    chosen = [first]
    for ranked in sorted(rest, key=lambda r: -r.p_best):
        if sum(r.p_best for r in chosen) >= _TIED_FROM:
            break
        chosen.append(ranked)
    return chosen


def listed(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(([", ".join(names[:-1])] if names[:-1] else []) + [names[-1]])


def headline(answer: Recommendation) -> str:
    """The verdict in one sentence."""
    loss, p_best = answer.loss, probability(answer.p_best)
    goal = f"{answer.task.metric} after {horizon(answer.task.horizon)}"
    n_losses = sum(r.feasible for r in answer.ranking)
    if n_losses == 1:
        return f"Train with {loss}: it is the only loss that takes part and is feasible."
    if answer.verdict == "recommended":
        return (
            f"Train with {loss}: of {n_losses} losses it is the best for {goal} "
            f"with probability {p_best}."
        )
    if answer.verdict == "tied":
        names = [r.loss for r in leaders(answer)]
        tie = f"{listed(names)} are tied: within 1% of each other for {goal}"
        return f"Train with {loss}. {tie}, and {loss} is the cheapest of them."
    if answer.evidence_level == "theory":
        return f"Nothing is measured yet: by theory, {loss} comes first for {goal}."
    return (
        f"Not enough evidence yet: {loss} leads for {goal}, "
        f"but it is the best of {n_losses} losses only with probability {p_best}."
    )


def gain(answer: Recommendation) -> str | None:
    """What changing from the baseline gains, in one sentence; None where it is unknown."""
    baseline, interval = answer.task.baseline.loss, answer.gain_over_baseline
    if interval is None:
        return None
    if answer.loss == baseline and interval.low == interval.high == 0:
        return f"Gain over the baseline: none, {baseline} is the baseline itself."
    share = ""
    reached = answer.ranking[0].predicted_metric
    if reached is not None and reached.mean > interval.mean:
        share = f", {interval.mean / (reached.mean - interval.mean):+.1%}"
    return (
        f"Gain over the baseline {baseline}: {interval.mean:+.4f} {answer.task.metric} "
        f"(80% interval {interval.low:+.4f} to {interval.high:+.4f}{share})."
    )
