"""The vendored libraries of the explorer's page are those that vendor.json names."""

import hashlib
import json
from importlib import resources

import pytest

pytestmark = pytest.mark.once

PLACE = resources.files("optogram.web").joinpath("page", "vendor")


def test_each_vendored_file_has_the_hash_that_is_listed():
    known = json.loads(PLACE.joinpath("vendor.json").read_text(encoding="utf-8"))
    hashes = {name: digest for library in known for name, digest in library["files"].items()}
    found = {
        entry.name: hashlib.sha256(entry.read_bytes()).hexdigest()
        for entry in PLACE.iterdir()
        if entry.name != "vendor.json"
    }
    assert found == hashes
    assert {library["license"] for library in known} == {"MIT"}


def test_each_library_comes_with_its_license():
    known = json.loads(PLACE.joinpath("vendor.json").read_text(encoding="utf-8"))
    for library in known:
        text = PLACE.joinpath(f"{library['name']}.LICENSE").read_text(encoding="utf-8")
        assert "Permission is hereby granted, free of charge" in text
