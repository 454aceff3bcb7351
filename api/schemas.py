"""Envelopes of the HTTP bodies; what is inside them are advisor's own values."""

from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from advisor.ask_tell import TrainerDevice
from advisor.card import Consistency, KnownLoss, LossCard
from advisor.task import Horizon, Task, Trade
from advisor.value import Value
from api.stories import browse
from profiler.losses import names
from profiler.samples import Sample
from store.page import Page

T = TypeVar("T")


class TaskRequest(Value):
    """A task, itself or by the id under which it is stored."""

    task_id: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00-\x1f]*$")
    # After task_id, so that what is wrong with the two of them is said of the task.
    task: Task | None = Field(default=None, validate_default=True)

    @field_validator("task")
    @classmethod
    def _is_given_once(cls, task: Task | None, others: ValidationInfo) -> Task | None:
        if (task is None) == (others.data.get("task_id") is None) and "task_id" in others.data:
            raise ValueError("give a task, or the task_id of a stored one, and not both")
        return task


class RecommendationRequest(TaskRequest):
    """Answer this task at once, from theory and stored profiles."""

    device: str | None = Field(
        default=None, max_length=64, description="id of a known device; by default the server's"
    )


class CalibrationRequest(TaskRequest):
    """Calibrate this task within a budget of wall-clock seconds, from start to answer."""

    budget_seconds: float = Field(gt=0)
    device_tag: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]{0,30}$",
        description="run it on a worker with this tag; by default the server's own",
    )
    executor: Literal["worker", "external"] = Field(
        default="worker",
        description="who trains: a worker of the service, or trainers elsewhere that ask for legs "
        "(`trials:ask`) and tell what they measured; for them the task has statistics and no data, "
        "and the budget is of their own seconds",
    )
    device: TrainerDevice | None = Field(
        default=None, description="what trainers elsewhere measure on; for executor external only"
    )
    data_fingerprint: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description="a text that stands for the data and the training code elsewhere: with the "
        "same one, and the same device, a calibration goes on from an earlier one; for executor "
        "external only",
    )

    @model_validator(mode="after")
    def _fits_its_executor(self) -> Self:
        given = self.device_tag if self.executor == "external" else self.device
        if given is not None or (self.executor == "worker" and self.data_fingerprint is not None):
            raise ValueError(
                "device and data_fingerprint are for executor external, device_tag for worker"
            )
        return self


class PreviewRequest(Value):
    """An answer given before, at another horizon or trade, of which what is not given stays.

    Or a task that has no answer yet.
    """

    recommendation_id: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00-\x1f]*$")
    horizon: Horizon | None = None
    trade: Trade | None = None
    task: Task | None = Field(default=None, description="instead of the three others")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        again = (self.recommendation_id, self.horizon, self.trade)
        if (self.recommendation_id is None) == (self.task is None):
            raise ValueError("give the recommendation_id of an answer, or a task, and not both")
        if self.task is not None and any(given is not None for given in again):
            raise ValueError("a task says its horizon and trade itself")
        return self


class ProfileMark(Value):
    """What its owner says of a profile."""

    bad: bool = Field(description="true: no later answer rests on it")


class PlanRequest(TaskRequest):
    """Say what a budget would buy for this task, without running anything."""

    budget_seconds: float = Field(gt=0)
    device: str | None = Field(
        default=None, max_length=64, description="id of a known device; by default the server's"
    )
    executor: Literal["worker", "external"] = Field(
        default="worker", description="who would train; external ones are not probed first"
    )
    can_pause: bool = Field(
        default=True, description="false: every trial is trained whole, by trainers elsewhere"
    )


class NewTask(Value):
    """A task to be kept under an id."""

    task: Task


class Listing(Value, Generic[T]):
    """One page of a list, and the token for the next one; None at the end."""

    items: tuple[T, ...]
    next_page_token: str | None = None

    @classmethod
    def of(cls, page: Page[T]) -> "Listing[T]":
        return cls(items=page.items, next_page_token=page.next_token)


class Loss(LossCard):
    """A card with what it says for each kind of metric, at the loss's first settings."""

    consistency: dict[str, Consistency]
    measurable: bool = Field(description="whether there is a layer, so that it can be calibrated")

    @classmethod
    def of(cls, known: KnownLoss) -> "Loss":
        return cls(
            **dict(known.card),
            consistency=browse.consistency(known),
            measurable=known.card.name in names(),
        )


class SampleTask(Value):
    """A sample task; only the command line fetches its data."""

    name: str
    kind: str
    title: str
    size: str
    n_bytes: int
    licence: str
    origin: str
    task: Task | None = Field(
        default=None,
        description="what to send for it; null until whoever runs the service has fetched its "
        "data with `softmax-advisor samples --fetch NAME`",
    )

    @classmethod
    def of(cls, sample: Sample, task: Task | None) -> "SampleTask":
        names = cls.model_fields.keys() - {"task"}
        return cls.model_validate({name: getattr(sample, name) for name in names} | {"task": task})


class Health(Value):
    """This process answers."""

    status: str = "ok"


class Fault(Value):
    """One thing that is wrong with a request."""

    field: str = Field(description="where it is, with dots: task.data.path")
    given: str | None = Field(description="what was given there, shortened")
    problem: str


class Problem(Value):
    """An error, after RFC 9457."""

    type: str = Field(description="which problem it is, stable: urn:softmax-advisor:problem:...")
    title: str
    status: int
    detail: str
    instance: str = Field(description="the path that was asked for")
    errors: Annotated[tuple[Fault, ...], Field(description="each fault of a request")] = ()
