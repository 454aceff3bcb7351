"""What a device slot names: the worker, and the crew whose legs it may train."""

from pathlib import Path

from api.settings import Settings
from api.slot import crew_of, worker_id


def settings(folder: Path, slot: str = "cpu0", tag: str = "cpu") -> Settings:
    return Settings(data_dir=folder, device_slot=slot, tag=tag, dead_after_seconds=12)


def test_a_crew_has_one_tag_equal_devices_and_one_data_folder(tmp_path: Path) -> None:
    shared, own, link = tmp_path / "shared", tmp_path / "own", tmp_path / "link"
    link.symlink_to(shared, target_is_directory=True)
    first = crew_of(settings(shared), "laptop")
    assert first.silent_seconds == 12
    assert crew_of(settings(shared, slot="cpu1"), "laptop").name == first.name
    assert crew_of(settings(link), "laptop").name == first.name, "the same folder by another path"
    for other in (
        crew_of(settings(own), "laptop"),
        crew_of(settings(shared), "server"),
        crew_of(settings(shared, tag="h100"), "laptop"),
    ):
        assert other.name != first.name
    assert {file.name for file in (shared / "workers").iterdir()} == {"folder.id"}


def test_workers_of_two_slots_or_folders_have_two_names(tmp_path: Path) -> None:
    places = (settings(tmp_path), settings(tmp_path, "cpu1"), settings(tmp_path / "own"))
    names = {worker_id(place) for place in places}
    assert len(names) == 3
