"""Value: the frozen, strict base of all that crosses a floor; its JSON is the wire format."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value: unknown fields, NaN and infinities are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(Value):
    """An 80% interval around a mean, in the unit of what it describes."""

    low: float
    mean: float
    high: float
