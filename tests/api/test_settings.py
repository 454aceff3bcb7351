"""Settings come from `ADVISOR_*` and nowhere else."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from api.jobs import engine_url
from api.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ADVISOR_{name.upper()}", raising=False)


def test_by_default_everything_lies_in_one_folder_at_home(tmp_path: Path) -> None:
    settings = Settings()
    assert settings.data_dir == tmp_path / ".softmax-advisor"
    assert settings.database_url == f"sqlite:///{settings.data_dir}/advisor.sqlite"
    assert engine_url(settings) == f"sqlite:///{settings.data_dir}/engine.sqlite"
    assert settings.server_runs_calibrations


def test_the_environment_sets_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVISOR_DATA_DIR", "~/lab")
    monkeypatch.setenv("ADVISOR_DATABASE_URL", "postgresql://me:secret@host/name")
    monkeypatch.setenv("ADVISOR_LEG_MEMORY_GIB", "1.5")
    monkeypatch.setenv("ADVISOR_LEG_SECONDS_MAX", "90")
    monkeypatch.setenv("ADVISOR_HOSTS", "Advisor.example, other.example")
    monkeypatch.setenv("ADVISOR_THREADS", "")
    monkeypatch.setenv("ADVISOR_MONEY_PER_HOUR", '{"cuda": 2.5, "0a1b": 0}')
    settings = Settings()
    assert settings.data_dir == Path.home() / "lab"
    assert settings.database_url == "postgresql+psycopg://me:secret@host/name"
    assert settings.workspace().memory_limit_bytes == 1.5 * 2**30
    assert settings.workspace().leg_limit_seconds == 90
    assert settings.hosts == {"advisor.example", "other.example"}
    assert settings.threads is None
    assert settings.money_per_hour == {"cuda": 2.5, "0a1b": 0.0}
    assert not settings.server_runs_calibrations
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://me:secret@host/name"),
        ("THREADS", "0"),
        ("TAG", "No Tag"),
        ("LEG_MEMORY_GIB", "nan"),
        ("BUDGET_SECONDS_MAX", "0"),
        ("DEAD_AFTER_SECONDS", "1"),
        ("MONEY_PER_HOUR", "2.5 an hour"),
        ("MONEY_PER_HOUR", '{"cuda": -1}'),
        ("MONEY_PER_HOUR", '{"cuda": Infinity}'),
        ("MONEY_PER_HOUR", '["cuda"]'),
    ],
)
def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ADVISOR_{name}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert name.lower() in str(caught.value)
    assert "secret" not in str(caught.value)
