"""DataSummary: what a task's data holds, as `softmax-advisor data` prints it. DataPreview: a file
at a glance, before there is a task for it."""

from pydantic import Field

from advisor.task import Format, Kind
from advisor.value import Value


class PartSize(Value):
    """How much one of training, validation and test holds."""

    n_rows: int = Field(
        ge=0, description="rows with a positive: users, places in a history or text, or data rows"
    )
    n_positives: int = Field(ge=0, description="(row, class) pairs")


class DataSummary(Value):
    """A task's data as it was read and split; `notes` say what was guessed, dropped and why."""

    task_name: str
    kind: Kind
    fingerprint: str = Field(description="of the file's bytes and of how it was read")
    n_records: int = Field(description="kept of the file: (user, item) pairs, events, tokens, rows")
    n_users: int | None = Field(description="null for a kind without users")
    n_classes: int
    class_gini: float = Field(description="skew of the training counts: 0 for equal ones")
    top_classes_share: float = Field(
        description="share of the training counts that the most frequent 1% of "
        "classes, rounded up, hold"
    )
    n_classes_unseen: int = Field(description="classes that training never names")
    n_classes_seen_once: int = Field(description="classes that training names once")
    n_examples: int = Field(description="training examples, which an epoch goes through")
    positives_per_row: float = Field(description="mean over the rows of training")
    train: PartSize
    validation: PartSize
    test: PartSize
    notes: tuple[str, ...]


class PreviewColumn(Value):
    """A column of a table, or an array of a numpy file."""

    name: str
    type: str = Field(description="integer, number, text, list..., or an array's dtype and shape")


class DataPreview(Value):
    """The first rows of a file, and which column would be taken for what, by its name.

    A text or svmlight file is one column of lines; of numpy's files only the arrays are listed.
    """

    format: Format
    columns: tuple[PreviewColumn, ...]
    rows: tuple[tuple[int | float | str | bool | None, ...], ...] = Field(
        description="cells in the columns' order; long texts are cut, lists are shown as text"
    )
    mapping: dict[str, str] = Field(
        description="what `data.columns` would be if it is not given: field to column"
    )


def n_top_classes(n_classes: int) -> int:
    """One percent of the classes, rounded up."""
    return -(-n_classes // 100)
