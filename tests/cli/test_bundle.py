"""The page's modules as one script."""

import re
from pathlib import Path

import pytest

from api import bundle as bundling


def test_a_module_comes_after_what_it_imports_and_once() -> None:
    script = bundling.bundle("report.js")
    order = re.findall(r'^modules\["(.*?)"\] = ', script, flags=re.MULTILINE)
    assert order[-1] == "report.js"
    assert len(order) == len(set(order))
    assert order.index("dom.js") < order.index("charts.js") < order.index("answer/curves.js")
    assert not re.search(r"^(import|export) ", script, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    ['import one from "./dom.js";', 'export { h } from "./dom.js";', "export default 1;"],
)
def test_a_form_that_is_not_known_is_refused_with_its_line(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "odd.js").write_text(line + "\n")
    monkeypatch.setattr(bundling, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=re.escape(line)):
        bundling.bundle("odd.js")
