"""Settings: what the environment says (`ADVISOR_*`), read here and nowhere else."""

import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.stories.service import UploadLimits
from profiler.device import this_device
from profiler.workspace import Workspace
from store.database import parse_url

_NAME = r"^[a-z0-9][a-z0-9-]{0,30}$"


def _home() -> Path:
    return Path.home() / ".softmax-advisor"


def _file_in_data_dir(validated: dict[str, Any]) -> str:
    return f"sqlite:///{validated.get('data_dir', _home()) / 'advisor.sqlite'}"


class Settings(BaseSettings):
    """How this process runs; every field may be set as `ADVISOR_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="ADVISOR_",
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # the database's URL may hold a password
    )

    data_dir: Path = Field(
        default_factory=_home,
        description="the only folder that paths given over HTTP may name; datasets and states too",
    )
    database_url: str = Field(
        default_factory=_file_in_data_dir,
        repr=False,
        description="sqlite:///FILE or postgresql+psycopg://...; by default a file in data_dir",
    )
    tag: str = Field(
        default="cpu", pattern=_NAME, description="calibrations with this device_tag run here"
    )
    device_slot: str = Field(
        default="cpu0",
        pattern=_NAME,
        description="the device's lock; one process serves it, one leg at a time trains on it",
    )
    threads: int | None = Field(default=None, ge=1, description="by default all cores allowed")
    leg_memory_gib: float | None = Field(
        default=None, gt=0, description="a child that trains or reads ends above it"
    )
    leg_seconds_max: float | None = Field(
        default=None, gt=0, description="a leg that takes longer ends, and counts as timed out"
    )
    runs_calibrations: bool | None = Field(
        default=None,
        description="whether a server also runs what it queues; by default on SQLite only",
    )
    budget_seconds_max: float = Field(default=86400.0, gt=0)
    needs_key: bool = Field(
        default=False, description="a key is needed on a loopback address too: behind a proxy"
    )
    hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="the names the server may be asked by, with commas; by default those of "
        "loopback where no key is needed, else any",
    )
    requests_per_minute: int = Field(default=1200, ge=1, description="with one key")
    calibrations_max: int = Field(
        default=100, ge=1, description="that may wait or run at a time for one tenant"
    )
    body_bytes_max: int = Field(default=2**20, ge=1024, description="of one request")
    upload_gib_max: float = Field(default=2.0, gt=0, description="of one file that is sent")
    upload_quota_gib: float = Field(default=20.0, gt=0, description="of all files of one tenant")
    upload_days: float | None = Field(
        default=None, gt=0, description="a file sent goes after so long; by default never"
    )
    money_per_hour: Annotated[
        dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], NoDecode
    ] = Field(
        default={},
        description="of devices, by the id of one or for all of a kind (cpu, cuda), as JSON: "
        "every answer is priced by it",
    )
    log_format: Literal["text", "json"] = Field(
        default="text", description="json: one object per line, with ids of request and calibration"
    )
    dead_after_seconds: float = Field(
        default=30.0, ge=3, description="a worker that is silent for so long is taken as dead"
    )

    @model_validator(mode="before")
    @classmethod
    def _unset_where_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        # `ADVISOR_THREADS=` in an env file means "not set".
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("hosts", mode="before")
    @classmethod
    def _separated(cls, names: object) -> object:
        return re.findall(r"[^\s,]+", names.lower()) if isinstance(names, str) else names

    @field_validator("money_per_hour", mode="before")
    @classmethod
    def _from_json(cls, prices: object) -> object:
        try:
            return json.loads(prices) if isinstance(prices, str) else prices
        except json.JSONDecodeError:
            raise ValueError('give JSON such as {"cuda": 2.5}') from None

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _served(cls, url: str) -> str:
        return parse_url(url).render_as_string(hide_password=False)

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")

    @property
    def server_runs_calibrations(self) -> bool:
        """Whether a server of these settings runs calibrations itself."""
        return self.is_sqlite if self.runs_calibrations is None else self.runs_calibrations

    def upload_limits(self) -> UploadLimits:
        """What may be sent."""
        return UploadLimits(
            bytes_max=round(self.upload_gib_max * 2**30),
            quota_bytes=round(self.upload_quota_gib * 2**30),
            days=self.upload_days,
        )

    def workspace(self) -> Workspace:
        """Where legs run, on this device."""
        limit_bytes = None if self.leg_memory_gib is None else self.leg_memory_gib * 2**30
        return Workspace(
            data_dir=self.data_dir,
            device=this_device(self.threads),
            device_slot=self.device_slot,
            memory_limit_bytes=limit_bytes,
            leg_limit_seconds=math.inf if self.leg_seconds_max is None else self.leg_seconds_max,
        )
