"""Rich tables for people at a terminal: an answer, a task's data, losses, profiles and more.

Made for 100 columns and readable at 80. Text from data is never read as rich markup.
"""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from advisor.card import KnownLoss
from advisor.evidence import Device, Profile
from advisor.recommendation import RankedCandidate, Recommendation
from advisor.summary import DataSummary, n_top_classes
from api import wording
from profiler.samples import Sample
from store.access import Key

_WIDE = 96
_PAIRS = ("(user, item) pairs", "users")
_DATA_WORDS = {
    "interactions": _PAIRS,
    "description": _PAIRS,
    "sequences": ("events", "places in histories"),
    "text": ("tokens", "places in the text"),
}
"""What a kind's records and the rows of its parts are."""
_CONSISTENCY_STYLES = {"consistent": "green", "inconsistent": "red"}


class AnswerTable:
    """A recommendation for people: the verdict, the ranking, why, and what to do next."""

    def __init__(self, answer: Recommendation) -> None:
        self._answer = answer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        answer = self._answer
        yield Text(wording.headline(answer), style="bold")
        yield Text(f"Settings: {wording.settings(answer.settings)}")
        yield ""
        yield _ranking(answer, is_wide=options.max_width >= _WIDE)
        yield from _notes_on_ranking(answer)
        gain = wording.gain(answer)
        if gain is not None:
            yield Text(f"\n{gain}")
        yield from _section("Why", [_with_source(r.text, r.source) for r in answer.reasons])
        yield from _section("Settings of the others", _other_settings(answer))
        yield from _section("Mind", [Text(w, style="yellow") for w in answer.warnings])
        if answer.next_experiment is not None:
            yield from _section("Next experiment", [Text(answer.next_experiment.text)])
        yield ""
        yield Text(_evidence(answer), style="dim")


def _ranking(answer: Recommendation, *, is_wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.padding = (0, 1) if is_wide else (0, 1, 0, 0)
    table.add_column("loss", no_wrap=True)
    table.add_column(f"{answer.task.metric}, 80%", min_width=8)
    table.add_column("P(best)", justify="right")
    table.add_column("train time, 80%" if is_wide else "train time", min_width=8)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("theory", no_wrap=True)
    for ranked in answer.ranking:
        table.add_row(*_row(ranked, is_wide), style=_row_style(ranked, answer))
    return table


def _row(ranked: RankedCandidate, is_wide: bool) -> Iterator[RenderableType]:
    seconds = ranked.train_seconds
    status = ranked.consistency.status
    time = "-"
    if seconds is not None:
        time = wording.duration_interval(seconds) if is_wide else wording.duration(seconds.mean)
    yield Text(f"{ranked.loss} ◆" if ranked.pareto else ranked.loss)
    yield wording.predicted(ranked)
    yield wording.probability(ranked.p_best) if ranked.feasible else "infeasible"
    yield time
    yield wording.size(ranked.peak_bytes) if ranked.peak_bytes is not None else "-"
    sign = wording.CONSISTENCY_SIGNS[status]
    yield Text(f"{sign} {status}", style=_CONSISTENCY_STYLES.get(status, ""))


def _row_style(ranked: RankedCandidate, answer: Recommendation) -> str:
    if not ranked.feasible:
        return "dim"
    return "bold" if ranked.loss == answer.loss else ""


def _notes_on_ranking(answer: Recommendation) -> Iterator[RenderableType]:
    if any(r.pareto for r in answer.ranking):
        text = "◆ no other loss is at least as good in metric, time and memory alike"
        yield Text(text, style="dim")
    for ranked in answer.ranking:
        if not ranked.feasible and ranked.reasons:
            yield Text(f"{ranked.loss}: {ranked.reasons[0].text}", style="dim")


def _other_settings(answer: Recommendation) -> list[Text]:
    return [
        Text.assemble((f"{r.loss:<20} ", "bold"), wording.settings(r.settings))
        for r in answer.ranking[1:]
        if r.feasible
    ]


def _with_source(text: str, source: str) -> Text:
    return Text.assemble(text, (f"  [{source}]", "dim"))


def _section(title: str, lines: Sequence[Text]) -> Iterator[RenderableType]:
    if not lines:
        return
    yield Text(f"\n{title}", style="bold")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column()
    for line in lines:
        grid.add_row("-", line)
    yield Padding(grid, (0, 0, 0, 1))


def _evidence(answer: Recommendation) -> str:
    parts = [f"Evidence: {wording.LEVELS[answer.evidence_level]}"]
    if answer.expected_regret is not None:
        parts.append(f"expected regret {answer.expected_regret:.1%}")
    parts.append(f"answered in {wording.duration(answer.elapsed_seconds)}")
    if answer.id:
        parts.append(f"recommendation {answer.id}")
    return "; ".join(parts) + "."


def losses_table(losses: Sequence[KnownLoss]) -> Table:
    """All losses, one row each."""
    table = _listing("loss", "what it is", "family", "probabilities", "one training step")
    for known in losses:
        card = known.card
        has_probabilities = "yes" if card.has_probabilities else "no"
        table.add_row(card.name, Text(card.title), card.family, has_probabilities, card.step_cost)
    return table


def loss_card(known: KnownLoss) -> RenderableType:
    """One loss: formula, what it does, its settings and what is claimed of it."""
    card = known.card
    facts = Table.grid(padding=(0, 2))
    for name in (
        "formula",
        "minimiser",
        "smoothness",
        "gradient_bias",
        "gradient_variance",
        "step_cost",
    ):
        facts.add_row(Text(name.replace("_", " "), style="dim"), Text(getattr(card, name)))
    settings = _listing("setting", "tried, in this order", "what it is")
    for each in card.settings:
        choices = ", ".join(wording.setting(choice) for choice in each.choices)
        settings.add_row(each.name, choices, Text(each.description))
    claims = [
        Text.assemble(
            f"{claim.statement} ", (f"[{claim.status}: {claim.condition}; {claim.source}]", "dim")
        )
        for claim in card.claims
    ]
    title = Text.assemble((card.name, "bold"), f"  {card.title} ({card.family})\n")
    sources = [Text(source) for source in card.sources]
    return Group(
        title, facts, "", settings, *_section("Claims", claims), *_section("Sources", sources)
    )


def profiles_table(profiles: Sequence[Profile]) -> Table:
    """What was measured: one row per candidate on a task and device."""
    table = _listing("task", "loss and settings", "metric", "best", "examples", "step", "outcome")
    for profile in profiles:
        candidate, step = profile.candidate, profile.step_seconds
        value = profile.final_value
        table.add_row(
            Text(profile.task_name),
            Text.assemble(candidate.loss, (f" {wording.settings(candidate.settings)}", "dim")),
            profile.metric,
            "-" if value is None else wording.metric_value(value),
            f"{profile.final_examples:,}",
            wording.duration(step.mean) if step else "-",
            profile.outcome,
        )
    return table


def devices_table(devices: Sequence[Device], here: Device) -> Table:
    """Every device that something was measured on; this one is marked."""
    table = _listing("device", "name", "memory", "software")
    for device in devices:
        software = ", ".join(f"{name} {version}" for name, version in device.software.items())
        name = f"{device.name} (this device)" if device.id == here.id else device.name
        table.add_row(device.id, Text(name), wording.size(device.memory_bytes), Text(software))
    return table


def keys_table(keys: Sequence[Key]) -> Table:
    """Who is let in, and until when."""
    table = _listing("key", "tenant", "scope", "name", "made", "lets in until")
    for key in keys:
        until = "for good" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}"
        if key.revoked_at is not None:
            until = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
        elif not key.is_valid:
            until = f"expired {until}"
        made = f"{key.created_at:%Y-%m-%d %H:%M}"
        table.add_row(key.id, key.tenant, key.scope, Text(key.name), made, until)
    return table


def samples_table(samples: Sequence[Sample]) -> Table:
    """The sample tasks: what they are and what may be done with them."""
    table = _listing("sample", "what it is", "download", "licence", "origin")
    for sample in samples:
        what = f"{sample.title}: {sample.size}"
        table.add_row(
            sample.name,
            what,
            wording.size(sample.n_bytes) if sample.n_bytes else "none",
            sample.licence,
            sample.origin,
        )
    return table


def summary_table(summary: DataSummary) -> RenderableType:
    """What a task's data holds: sizes and skew, the split, and what was guessed or dropped."""
    records, rows = _DATA_WORDS.get(summary.kind, ("rows", "rows"))
    facts = Table.grid(padding=(0, 2))
    for name, words in _facts(summary, records):
        facts.add_row(Text(name, style="dim"), words)
    parts = _listing("part", rows, "positives", "positives a row")
    for column in parts.columns[1:]:
        column.justify = "right"
    for name in ("train", "validation", "test"):
        part = getattr(summary, name)
        per_row = f"{part.n_positives / part.n_rows:,.2f}" if part.n_rows else "-"
        parts.add_row(name, f"{part.n_rows:,}", f"{part.n_positives:,}", per_row)
    title = Text.assemble((summary.task_name, "bold"), f"  {summary.kind}\n")
    notes = [Text(note) for note in summary.notes]
    return Group(title, facts, "", parts, *_section("Guessed, dropped and done", notes))


def _facts(summary: DataSummary, records: str) -> Iterator[tuple[str, str]]:
    n_top = n_top_classes(summary.n_classes)
    if summary.n_users is not None:
        yield "users", f"{summary.n_users:,}"
    yield records, f"{summary.n_records:,}"
    yield (
        "classes",
        f"{summary.n_classes:,}; never named in training {summary.n_classes_unseen:,}, "
        f"once {summary.n_classes_seen_once:,}",
    )
    yield (
        "skew",
        f"Gini {summary.class_gini:.2f}; the most frequent 1% of the classes ({n_top:,}) hold "
        f"{summary.top_classes_share:.1%} of training",
    )
    yield "positives per row", f"{summary.positives_per_row:,.2f}"
    yield "training examples", f"{summary.n_examples:,}"


def _listing(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    return table
