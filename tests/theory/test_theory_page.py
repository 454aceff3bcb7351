"""docs/theory.md says what the cards say."""

from pathlib import Path

from advisor.catalogue import known_losses
from advisor.theory_page import theory_markdown

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"


def test_the_page_is_written_from_the_cards() -> None:
    assert PAGE.read_text(encoding="utf-8") == theory_markdown(known_losses()), "run: make docs"


def test_every_claim_stands_on_the_page_with_its_status_source_and_check() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    for loss in known_losses().values():
        for claim in loss.card.claims:
            check = claim.check.split("::")[1] if claim.check else claim.unchecked_because
            parts = (claim.topic, claim.statement, claim.status, claim.source, check or "")
            escaped = [part.replace("|", "\\|") for part in parts]
            assert any(all(part in row for part in escaped) for row in rows), claim.statement


def test_every_link_of_a_check_leads_to_a_file() -> None:
    links = PAGE.read_text(encoding="utf-8").split("](")[1:]
    assert links
    for link in links:
        assert (PAGE.parent / link.split(")")[0]).is_file()
