"""Surveys on a Ray cluster and in object storage: the same numbers as in one process, here."""

import os
import random
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

import networks
import optogram as og
from optogram.errors import InputError, OutputError
from optogram.surveying import plan as planning
from stores import assert_same_store, everything_in

pytest.importorskip("zarr")
pytestmark = pytest.mark.once

COUNT = 10


@pytest.fixture(scope="module")
def net():
    return og.Network(networks.build("separate"), "unit", labels=list("abcde"))


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(planning, "_BLOCK", 4)


def test_a_cluster_gives_the_same_numbers(net, pictures, tmp_path):
    pytest.importorskip("ray")
    layer = net.default_layer
    settings = {"what": "all", "layers": layer, "steps": 2}
    og.survey(net, pictures, tmp_path / "here.zarr", **settings)
    og.survey(net, pictures, tmp_path / "ray.zarr", **settings, on="ray")
    here, there = (everything_in(tmp_path / f"{name}.zarr") for name in ("here", "ray"))
    assert here.keys() == there.keys()
    for name, array in here.items():
        # Sums over threads may differ in their last digits.
        if array.dtype.kind == "f":
            np.testing.assert_allclose(there[name], array, rtol=1e-4, atol=1e-5, err_msg=name)
        elif array.dtype != np.uint8:
            np.testing.assert_array_equal(there[name], array, err_msg=name)


def test_a_cluster_that_is_not_there_is_one_sentence(net, pictures, tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(OutputError, match=r"There is no Ray cluster at 127\.0\.0\.1:1"):
        og.survey(net, pictures, tmp_path / "net.zarr", on="127.0.0.1:1")


def test_without_ray_the_line_that_installs_it_is_named(net, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ray" else object()
    )
    with pytest.raises(InputError, match=r'pip install "optogram\[ray\]"'):
        og.survey(net, pictures, tmp_path / "net.zarr", on="ray")


@contextmanager
def object_storage(failing=0.0, seed=0):
    """A bucket at a server of this machine, that answers a share of requests with status 500."""
    werkzeug = pytest.importorskip("werkzeug.serving")
    server = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    app, chance = server.DomainDispatcherApplication(server.create_backend_app), random.Random(seed)
    failed = []

    def unreliable(environ, start_response):
        if chance.random() < failing:
            failed.append(environ["PATH_INFO"])
            time.sleep(0.05)
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        return app(environ, start_response)

    running = werkzeug.make_server("127.0.0.1", 0, unreliable, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", failed
    finally:
        running.shutdown()
        thread.join()


@pytest.fixture
def credentials(monkeypatch):
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_object_storage_gives_the_same_store_through_errors(
    net, pictures, tmp_path, monkeypatch, credentials
):
    import fsspec

    settings = {"what": "photos", "layers": net.default_layer}
    og.survey(net, pictures, tmp_path / "net.zarr", **settings)
    with object_storage(failing=0.05) as (address, failed):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        fsspec.filesystem("s3").mkdir("surveys")
        found = og.survey(net, pictures, "s3://surveys/net.zarr", **settings)
        assert failed
        assert_same_store("s3://surveys/net.zarr", tmp_path / "net.zarr")
        assert og.load_survey("s3://surveys/net.zarr").layers == found.layers


def test_wrong_credentials_and_no_server_are_one_sentence(net, pictures, monkeypatch, credentials):
    pytest.importorskip("s3fs")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(OutputError, match="credentials"):
        og.survey(net, pictures, "s3://nowhere/net.zarr")
    with pytest.raises(OutputError, match=r"needs a package|cannot be read"):
        og.survey(net, pictures, "gs2://nowhere/net.zarr")
