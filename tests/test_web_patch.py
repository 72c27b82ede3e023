"""The explorer's questions about photos and patches, compared with the library's own numbers."""

import io

import numpy as np
import pytest
from PIL import Image

import networks
import optogram as og

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from optogram.web.app import create_app
from optogram.web.asking import QUESTIONS
from optogram.web.kept import StoppedError
from optogram.web.workspace import Workspace

pytestmark = pytest.mark.once


class Listening:
    """Hears what a question tells; stops it after so many partial answers."""

    def __init__(self, patience=1000):
        self.partials, self.told, self._patience = [], [], patience

    def progress(self, done, total, what):
        if self._patience <= 0:
            raise StoppedError
        self.told.append((done, total))

    def partial(self, answer):
        self._patience -= 1
        self.partials.append(answer)


class Explored:
    """A workspace with one small network and one photo."""

    def __init__(self, name):
        self.net = og.Network(networks.build(name), "unit")
        pixels = np.random.default_rng(0).integers(256, size=(20, 24, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        self.workspace = Workspace([self.net])
        self.photo = self.workspace.add(content.getvalue(), "noise.png")
        self.x = self.net.prepare(content.getvalue())

    def ask(self, name, tell=None, **given):
        texts = {"photo": self.photo.id, **{key: str(value) for key, value in given.items()}}
        question = QUESTIONS[name]
        _, values = question.read(self.workspace, texts)
        return question.answer(self.workspace, tell or Listening(), **values)


@pytest.fixture(params=["fused", "binary", "regression", "segmentation"])
def one(request):
    return Explored(request.param)


def test_predictions_have_a_score_and_a_probability_for_each_class(one):
    found = one.ask("predictions").arrays
    scores = one.net.scores(one.x)[0]
    probabilities = one.net.head.probabilities(scores)
    assert found["scores"].shape == found["probabilities"].shape == (one.net.head.classes,)
    if one.net.head.is_spatial:
        winners = probabilities.argmax(axis=-1)
        np.testing.assert_array_equal(found["positions"], winners)
        shares = [(winners == i).mean() for i in range(one.net.head.classes)]
        np.testing.assert_allclose(found["probabilities"], shares)
        np.testing.assert_allclose(found["scores"], scores.mean(axis=(0, 1)), atol=1e-5)
    else:
        np.testing.assert_allclose(found["probabilities"], probabilities, atol=1e-6)
        assert found["scores"].argmax() == probabilities.argmax()
    if one.net.head.is_binary:
        np.testing.assert_allclose(found["scores"], [-scores[0], scores[0]])


@pytest.mark.parametrize("fill", ["gray", "blur", "mean"])
def test_a_patch_gives_the_numbers_of_the_probe(one, fill):
    about = {"patch": 5, "fill": fill}
    given = {"gray": 127.5}.get(fill, fill)
    probe = og.occlusion_probe(one.net, one.x, patch=5, fill=given)
    ready = one.ask("patch_probe", **about)
    assert ready.about == {"patch": (5, 5), "size": one.x.shape[1:3]}
    shown = one.net.display(np.asarray(probe.fill, np.float32))[0]
    np.testing.assert_array_equal(ready.arrays["fill"], shown)
    clean = one.ask("predictions").arrays
    for name in ("scores", "probabilities"):
        np.testing.assert_allclose(ready.arrays[name], clean[name], atol=1e-5)
    found = one.ask("patched", **about, y=-2, x=3).arrays
    if one.net.head.is_spatial:
        expected = probe.scores(-2, 3).mean(axis=(0, 1))
    else:
        np.testing.assert_allclose(found["probabilities"], probe(-2, 3), atol=1e-6)
        expected = probe.scores(-2, 3)
    np.testing.assert_allclose(found["scores"][-len(expected) :], expected, atol=1e-5)
    assert np.abs(found["scores"] - clean["scores"]).max() > 1e-4


def test_a_map_is_that_of_occlusion_and_falls_are_those_of_the_patch(one):
    target = int(one.ask("predictions").arrays["probabilities"].argmax())
    about, heard = {"patch": 4, "fill": "mean"}, Listening()
    answer = one.ask("occlusion_map", heard, **about, stride=1, target=target)
    expected = og.occlusion(one.net, one.x, target, patch=4, stride=1, fill="mean")
    values = answer.arrays["values"]
    extent = np.ptp(expected.values)
    np.testing.assert_allclose(values, expected.values[0], atol=1e-4 * extent)
    assert answer.arrays["exact"].all()
    # Coarse maps come before it.
    known = [partial.arrays["exact"].mean() for partial in heard.partials]
    assert 0 < known[0] < known[-1] < 1 and heard.told
    clean = one.ask("predictions").arrays["scores"]
    found = one.ask("patched", **about, y=2, x=5).arrays["scores"]
    np.testing.assert_allclose(clean[target] - found[target], values[2, 5], atol=1e-4 * extent)


def test_a_map_that_nobody_waits_for_is_stopped():
    one = Explored("fused")
    heard = Listening(patience=1)
    with pytest.raises(StoppedError):
        one.ask("occlusion_map", heard, patch=2, stride=1, target=0)
    assert len(heard.partials) == 1
    # It goes on where it was.
    again = Listening()
    answer = one.ask("occlusion_map", again, patch=2, stride=1, target=0)
    known = [each.arrays["exact"].mean() for each in (*heard.partials, *again.partials)]
    assert known[0] < known[1] and answer.arrays["exact"].all()
    expected = og.occlusion(one.net, one.x, 0, patch=2, stride=1)
    np.testing.assert_allclose(answer.arrays["values"], expected.values[0], atol=1e-5)


def test_one_probe_serves_all_places(monkeypatch):
    from optogram.web.questions import patch

    made = []
    make = patch.occlusion_probe

    def counted(*arguments, **named):
        made.append(make(*arguments, **named))
        return made[-1]

    monkeypatch.setattr(patch, "occlusion_probe", counted)
    one = Explored("fused")
    for y in range(4):
        one.ask("patched", patch=3, y=y, x=y)
    assert len(made) == 1
    assert one.workspace.objects.size >= made[0].nbytes > one.x.nbytes
    one.ask("patched", patch=4, y=0, x=0)
    one.ask("patched", patch=4, fill="blur", y=0, x=0)
    assert len(made) == 3


def test_over_http_and_what_cannot_be():
    one = Explored("fused")
    app = create_app(one.workspace, ["127.0.0.1"])
    with TestClient(app, base_url="http://127.0.0.1") as client:
        about = {"photo": one.photo.id, "patch": "4"}
        for name, more, said in (
            ("patched", {"y": 16, "x": 0}, "outside the image"),
            ("patched", {"y": 0, "x": 0, "fill": "red"}, "one of gray, blur, mean"),
            ("patch_probe", {"patch": 99}, "patch"),
            ("occlusion_map", {"target": 99}, "99"),
        ):
            refused = client.get(f"/api/{name}", params={**about, **more})
            assert (refused.status_code, said in refused.json()["error"]) == (422, True)
        assert client.delete("/api/photos/none").status_code == 404
        assert client.delete(f"/api/photos/{one.photo.id}").status_code == 204
        assert client.get("/api/photos").json() == []
        refused = client.get("/api/patched", params={**about, "y": 0, "x": 0})
        assert "no photo" in refused.json()["error"]
