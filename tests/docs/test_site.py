"""The site is built without a warning, and asks nothing of anybody else's server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").exists()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+href="(?:https?:)?//|@import|preconnect'
    )
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text()), style


def test_the_api_is_documented_by_its_docstrings(site: Path) -> None:
    page = (site / "api.html").read_text()
    for name in (
        "color.ciede2000",
        "detector.attention.ExternalAttention",
        "model.pipeline.Pipeline",
        "model.load.load",
    ):
        assert f'id="leanet.{name}"' in page
    assert "CIEDE2000 colour difference ΔE00 of Sharma" in page
