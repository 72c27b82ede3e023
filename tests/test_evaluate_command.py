"""`optogram evaluate`, and `optogram explain --method best`."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import networks
import optogram as og
from optogram.cli import main

pytestmark = pytest.mark.once

QUICK = ("--steps", "3", "--samples", "8")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a network and three photos, one of which cannot be read."""
    folder = tmp_path_factory.mktemp("evaluate")
    networks.build("branches").save(folder / "net.keras")
    networks.build("branches", seed=1).save(folder / "other.keras")
    (folder / "photos").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    (folder / "photos" / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def run(place, monkeypatch):
    monkeypatch.chdir(place)

    def run(command, *arguments):
        given = [command, *map(str, arguments), "--model", "net.keras", "--preprocess", "unit"]
        result = CliRunner().invoke(main, given)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


def test_the_table_is_printed_and_kept(run):
    asked = ("--method", "saliency", "--method", "gradcam", "--layer", "stem", *QUICK)
    status, out, err = run("evaluate", "photos", *asked)
    assert status == 1 and "1 of 3 photos was skipped" in err and "broken.jpg" in err
    kept = og.load_result("evaluated/evaluation.npz")
    assert all(line in out for line in kept.table().split("\n"))
    assert kept.sentence in out
    assert kept.arguments_of("gradcam")["layer"] == "stem"
    assert Path("evaluated/evaluation.png").exists()
    # The same command again computes nothing: times are those of the first run.
    status, out, _ = run("evaluate", "photos", *asked, "--json")
    told = json.loads(out)
    again = og.load_result("evaluated/evaluation.npz")
    np.testing.assert_array_equal(again.values, kept.values)
    assert told["command"] == "evaluate" and told["ranking"] == list(kept.ranking)
    assert [method["method"] for method in told["methods"]] == list(kept.methods)
    first = told["methods"][0]["measures"][0]
    assert first["mean"] == kept.mean[0, 0] and first["values"] == kept.values[0, :, 0].tolist()
    assert [photo["photo"] for photo in told["skipped"]] == ["broken.jpg"]
    status, out, _ = run("evaluate", "photos", *asked, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == kept.mean.size + 1
    assert float(rows[0]["mean"]) == kept.mean[0, 0] and rows[0]["photos"] == "2"
    assert rows[-1]["photo"] == "broken.jpg" and rows[-1]["error"]


def test_boxes_truth_and_measures_are_asked_for(run):
    Path("boxes.csv").write_text("photo,top,left,bottom,right\n0.png,0,0,20,25\n1.png,5,5,40,50\n")
    Path("truth.csv").write_text("photo,label\n0.png,1\n1.png,2\n")
    status, *_ = run(
        "evaluate", "photos", "--method", "saliency", "--truth", "truth.csv", "--boxes",
        "boxes.csv", "--measure", "box_energy", "--measure", "insertion", *QUICK, "--out", "boxed",
    )  # fmt: skip
    kept = og.load_result("boxed/evaluation.npz")
    assert status == 0 and kept.measures == ("insertion", "box_energy")
    assert [target.split()[1] for target in kept.targets] == ["1", "2"]
    assert np.isfinite(kept.values).all()


def saved(place, name, **changes):
    """An evaluation with other fields than the one that was made."""
    path = place / f"{name}.npz"
    replace(og.load_result(place / "evaluated" / "evaluation.npz"), **changes).save(path)
    return path


def test_the_best_method_explains(run, place):
    run("evaluate", "photos", "--method", "gradcam", "--layer", "stem", *QUICK)
    found = og.load_result("evaluated/evaluation.npz")
    values = found.values.copy()
    values[0] = 1.0  # better than the random maps, whatever this network is
    values[1:] = 0.0
    for name in ("deletion", "randomization"):
        values[:, :, found.measures.index(name)] = 1 - values[:, :, found.measures.index(name)]
    path = saved(place, "better", values=values)
    assert og.load_result(path).best == "gradcam"
    status, out, _ = run("explain", "photos/0.png", "--method", "best", "--evaluation", path)
    assert status == 0 and "Best method of" in out and "gradcam" in out
    made = og.load_result("explained/0-gradcam.npz")
    assert made.layer == "stem"
    status, *_ = run(
        "explain", "photos", "--method", "best", "--evaluation", path, "--out", "maps.zarr"
    )
    assert status == 1  # the broken photo
    np.testing.assert_allclose(
        og.load_attributions("maps.zarr").values("0.png"), made.values[0], atol=1e-5
    )


def test_a_best_method_that_is_not_known_is_told(run, place):
    run("evaluate", "photos", "--method", "gradcam", *QUICK)
    best = ("explain", "photos/0.png", "--method", "best")
    zeros = np.zeros_like(og.load_result("evaluated/evaluation.npz").values)
    nothing = saved(place, "nothing", values=zeros)
    foreign = saved(place, "foreign", network_mark="?")
    og.saliency(og.load("net.keras", preprocess="unit"), "photos/0.png").save("map.npz")
    for arguments, words in (
        ((*best, "--evaluation", "none.npz"), "there is no evaluation at none.npz"),
        ((*best, "--method", "saliency"), "stands alone"),
        ((*best, "--layer", "stem"), "best does not take --layer"),
        ((*best, "--evaluation", "map.npz"), "map.npz is no evaluation"),
        ((*best, "--evaluation", nothing), "No method is ranked"),
        (
            (*best, "--evaluation", foreign),
            "is of another network",
        ),
        (("explain", "photos/0.png", "--evaluation", "x.npz"), "needs --method best"),
        (("evaluate", "photos", "--target", 1, "--truth", "folders"), "exclude each other"),
        (("evaluate", "photos", "--boxes", "none.csv"), "--boxes: there is no file"),
        (("evaluate", "photos", "--method", "saliency", "--layer", "stem"), "no CAM method"),
        (("check", "photos/0.png", "--method", "best"), "'best' is not one of"),
    ):
        status, _, err = run(*arguments)
        assert status == 2 and words in " ".join(err.split()), err
