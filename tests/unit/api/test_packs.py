import sys
from pathlib import Path

import pytest

from orchestrator.packs import PackError, discover, read_pack

MANIFEST = """
name: my_pack
title: My pack
summary: Makes things.
templates: templates
workers: {maker: workers.maker, other: somewhere.my_pack.other}
services: {maker-service: maker}
requires: [video]
"""


def test_a_manifest_gives_a_pack(tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(MANIFEST)

    pack = read_pack("somewhere.my_pack", tmp_path)

    assert (pack.name, pack.title, pack.template_folder) == ("my_pack", "My pack", tmp_path / "templates")
    assert pack.workers == {"maker": "somewhere.my_pack.workers.maker", "other": "somewhere.my_pack.other"}
    assert (pack.services, pack.requires) == ({"maker-service": "maker"}, ["video"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: [",
        "name: Bad Name\ntitle: x",
        "name: a",
        "name: a\ntitle: b\nsurprise: 1",
        "name: a\ntitle: b\nservices: {x: y}",
    ],
)
def test_a_wrong_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pack.yaml").write_text(text)

    with pytest.raises(PackError, match=r"pack\.yaml"):
        read_pack("m", tmp_path)


def test_the_pack_of_this_repository_is_found_without_running_it() -> None:
    before = set(sys.modules)

    packs = {pack.name: pack for pack in discover()}

    assert "create_video" in packs
    assert packs["create_video"].template_folder.is_dir()
    assert not {name for name in set(sys.modules) - before if name.startswith("scenarios.")}
