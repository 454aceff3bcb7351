"""What the README, the changelog and the help of `make` say is so."""

import re
import subprocess
import tomllib

import typer
import yaml

from advisor.task import Task
from api.settings import Settings
from tests.house.repository import PACKAGES, ROOT, module_files, subfolders, text

GROUPS = ("db", "keys")
TARGETS = ("help", "install", "demo", "test", "lint", "serve", "bench", "clean")


def tree() -> list[str]:
    """The paths that the README's file tree names; a folder ends in a slash."""
    readme = text("README.md")
    block = next(b for b in readme.split("```") if b.startswith("\nadvisor/"))
    paths: list[str] = []
    folder = ""
    for line in block.strip().splitlines():
        name = line.split()[0]
        is_inside = line.startswith("  ")
        paths.append(folder + name if is_inside else name)
        folder = folder if is_inside else name
    return paths


def test_the_file_tree_names_what_is_there_once_and_nothing_else() -> None:
    expected: set[str] = set()
    for name in (*PACKAGES, "benchmarks", "docs", "examples"):
        folder = ROOT / name
        inside = [*module_files(folder), *folder.glob("*.md")]
        expected |= {f"{name}/", *(f"{name}/{file.name}" for file in inside)}
        expected |= {f"{name}/{sub.name}/" for sub in subfolders(folder)}
    named = tree()
    assert len(named) == len(set(named))
    assert set(named) - {"tests/"} == expected


def test_the_settings_table_is_the_settings() -> None:
    named = re.findall(r"^\| `(ADVISOR_[A-Z_]+)` \|", text("README.md"), re.MULTILINE)
    assert sorted(named) == sorted(f"ADVISOR_{field.upper()}" for field in Settings.model_fields)


def test_every_setting_named_anywhere_exists() -> None:
    fields = {f"ADVISOR_{field.upper()}" for field in Settings.model_fields}
    for name in ("README.md", "docs/operations.md", "docker-compose.yml", "Dockerfile"):
        assert set(re.findall(r"ADVISOR_[A-Z_]*[A-Z]", text(name))) <= fields, name


def test_every_command_named_exists_and_every_command_is_named() -> None:
    from api.cli import app

    group = typer.main.get_command(app)
    commands = dict(getattr(group, "commands"))  # noqa: B009 - typer's own click is untyped
    existing = {f"{name}" for name in commands} - {*GROUPS}
    for group_name in GROUPS:
        own = getattr(commands[group_name], "commands")  # noqa: B009 - the same
        existing |= {f"{group_name} {name}" for name in own}
    readme = text("README.md") + text("docs/operations.md")
    named = set(re.findall(r"softmax-advisor ((?:(?:db|keys) )?[a-z]+)\b", readme))
    assert named == existing


def test_the_tasks_shown_are_tasks() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", text("README.md"), re.DOTALL)
    tasks = [Task.model_validate(yaml.safe_load(block)) for block in shown]
    assert [task.kind for task in tasks] == ["interactions", "description"]


def test_the_changelog_begins_with_this_version() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    versions = re.findall(r"^## \[([^\]]+)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == project["version"]


def test_every_relative_link_in_prose_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_decisions_are_numbered_on_without_a_gap() -> None:
    names = sorted(file.name for file in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [name[:5] for name in names] == [f"{n:04d}-" for n in range(1, len(names) + 1)]


def test_make_has_its_targets_and_help_lists_them() -> None:
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^make ([a-z]+) ", helped.stdout, re.MULTILINE)
    assert set(TARGETS) <= set(listed)
    for target in listed:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=True)


def test_an_old_python_is_refused_in_one_sentence(tmp_path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = ["make", "install", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "needs Python 3.11 or newer" in refused.stderr
    assert not (tmp_path / "venv").exists()
