"""Training the small network: what it is made of, that it learns, and what is left on disk."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import fashion
import optogram as og
from optogram import training
from optogram.cli import main
from optogram.errors import InputError, OutputError
from optogram.files import MARK

pytestmark = pytest.mark.once

MADE = fashion.made(train=256, test=64)


@pytest.fixture(scope="module")
def trained():
    return training.train(MADE, epochs=3, batch=64)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `optogram train` on a small set in an empty folder."""
    monkeypatch.chdir(tmp_path)
    fashion.write(tmp_path, MADE)

    def run(*arguments):
        return CliRunner().invoke(
            main, ["train", "--data", ".", "--epochs", "1", *map(str, arguments)]
        )

    return run


def left_behind(folder):
    """The files beside those of the set."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if "idx" not in path.name}


def test_it_is_the_network_of_the_tutorial():
    model = training.small_cnn()
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["BatchNormalization", "LeakyReLU"]
    convolutions = ["Conv2D", *block, "MaxPooling2D"] * 2
    assert kinds == ["Rescaling", *convolutions, "Flatten", "Dense", *block, "Dropout", "Dense"]
    assert model.output_shape == (None, 10)
    # The tutorial's own count: its network has these layers and no others with parameters.
    assert model.count_params() == 320 + 4 * 32 + 18_496 + 4 * 64 + 102_464 + 4 * 64 + 650
    for name in ("conv1", "conv2", "dense"):
        layer = model.get_layer(name)
        assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
        penalty = layer.kernel_regularizer
        assert (float(penalty.l1), float(penalty.l2)) == pytest.approx((1e-5, 1e-4))
    assert model.get_layer("dropout").rate == 0.4


@pytest.mark.each_backend
def test_it_learns(trained):
    assert trained.losses.shape == (3,)
    assert trained.losses[-1] < trained.losses[0]
    assert isinstance(trained.model.optimizer, keras.optimizers.Adam)
    net = og.Network(trained.model, labels=trained.classes)
    answers = [best.index for (best,) in net.predict(MADE.test_images[..., None], top=1)]
    assert trained.accuracy == np.mean(np.array(answers) == MADE.test_labels)


def test_enough_epochs_teach_it_what_can_be_learned():
    assert training.train(MADE, epochs=15, batch=32).accuracy > 0.9


def test_the_loss_told_is_the_mean_of_the_epoch(monkeypatch):
    losses, told = iter([4.0, 1.0, 3.0]), []
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda *_: next(losses))
    result = training.train(MADE, epochs=1, batch=100, progress=lambda *state: told.append(state))
    assert result.losses[0] == pytest.approx((4 * 100 + 1 * 100 + 3 * 56) / 256)
    assert told == [
        (1, 3, "epoch 1 of 1, loss 4.000"),
        (2, 3, "epoch 1 of 1, loss 2.500"),
        (3, 3, f"epoch 1 of 1, loss {result.losses[0]:.3f}"),
    ]


def test_the_same_seed_gives_the_same_network(trained):
    again = training.train(MADE, epochs=3, batch=64)
    other = training.train(MADE, epochs=3, batch=64, seed=1)
    for weights, same in zip(trained.model.get_weights(), again.model.get_weights(), strict=True):
        # Sums in another order differ by rounding, which Adam can make as large as a step.
        np.testing.assert_allclose(weights, same, atol=1e-2)
    kernel, elsewhere = trained.model.get_weights()[0], other.model.get_weights()[0]
    assert np.abs(kernel - elsewhere).max() > 0.1


def test_training_draws_from_no_generator_of_others():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    training.train(fashion.made(train=16, test=4), epochs=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.each_backend
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_what_is_saved_opens_with_its_labels_and_its_preparation(ending, trained, tmp_path):
    path = trained.save(str(tmp_path / f"clothes{ending}"))
    assert sorted(left_behind(tmp_path)) == [f"clothes{ending}", "clothes.labels.txt"]
    net = og.load(path)
    assert net.labels.names == MADE.classes
    assert net.warnings == ()
    expected = trained.model.predict(MADE.test_images[..., None].astype("float32"), verbose=0)
    for picture, row in zip(MADE.test_images[:5], expected, strict=False):
        (best,) = net.predict(picture, top=1)[0]
        assert best.label == MADE.classes[row.argmax()]
        assert best.probability == pytest.approx(row.max(), abs=1e-5)


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_the_network_saved_before_is_kept_beside(ending, trained, tmp_path):
    path = trained.save(tmp_path / f"clothes{ending}")
    trained.save(path)
    before = path.read_bytes()
    trained.save(path)
    kept = tmp_path / f"clothes.former{ending}"
    assert kept.read_bytes() == before
    assert og.load(kept).predict(MADE.test_images[0]) and len(left_behind(tmp_path)) == 3


@pytest.mark.parametrize("number", ["epochs", "batch", "seed"])
def test_numbers_that_are_too_small(number):
    with pytest.raises(InputError, match=f"{number} must be a whole number"):
        training.train(MADE, **{number: -1})


def test_the_command_trains_draws_and_saves(run, tmp_path):
    answer = run("--pictures", "first.png")
    assert answer.exit_code == 0, answer.output
    assert "Test accuracy: " in answer.stdout and "fashion.keras" in answer.stdout
    written = {"fashion.keras", "fashion.labels.txt", "first.png"}
    assert set(left_behind(tmp_path)) == written
    drawn = np.asarray(Image.open("first.png").convert("L"))
    # The first cell is the first picture, each pixel a block.
    side = 28 * (drawn.shape[1] // (5 * 28))
    block = side // 28
    first = drawn[:side:block, :side:block]
    assert np.corrcoef(first.ravel(), MADE.train_images[0].ravel())[0, 1] > 0.99


def test_the_saved_network_is_explained_without_further_options(run, tmp_path):
    run("--out", "own.keras")
    Image.fromarray(MADE.test_images[0]).save("picture.png")
    asked = ["explain", "picture.png", "--model", "own.keras", "--score", "probability"]
    answer = CliRunner().invoke(main, asked)
    assert answer.exit_code == 0 and answer.stderr == "", answer.output
    assert any(name in answer.stdout for name in MADE.classes)


def test_an_interrupted_training_leaves_everything_as_it_was(run, tmp_path, monkeypatch):
    (tmp_path / "fashion.keras").write_text(f"the one before, {MARK}")
    before = left_behind(tmp_path)
    steps = iter(range(2))
    step = keras.Model.train_on_batch

    def interrupted(*arguments, **given):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return step(*arguments, **given)

    monkeypatch.setattr(keras.Model, "train_on_batch", interrupted)
    answer = run("--batch", 64)
    assert answer.exit_code == 130 and "Stopped. No file was written." in answer.stderr
    assert left_behind(tmp_path) == before


def test_an_interrupted_save_leaves_everything_as_it_was(trained, tmp_path, monkeypatch):
    path = tmp_path / "fashion.keras"
    path.write_text(f"the one before, {MARK}")
    before = left_behind(tmp_path)

    def interrupted(model, part):
        part.write_text("half of")
        raise KeyboardInterrupt

    monkeypatch.setattr(type(trained.model), "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained.save(path)
    assert left_behind(tmp_path) == before


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("fashion.txt", "saved as a .keras or .h5 file"),
        ("taken.keras", "is a folder"),
        ("gone/fashion.keras", "gone is not a folder"),
        ("mine.keras", "optogram did not make it"),
        ("named.keras", "named.labels.txt exists, and optogram did not make it"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    out, reason, run, tmp_path, monkeypatch
):
    monkeypatch.delattr(training, "train")
    (tmp_path / "taken.keras").mkdir()
    (tmp_path / "mine.keras").write_text("mine")
    (tmp_path / "named.labels.txt").write_text("my own names")
    answer = run("--out", out)
    assert answer.exit_code == 2
    assert reason in answer.stderr and len(answer.stderr.splitlines()) == 1


def test_saving_where_nothing_can_be_written(trained, tmp_path):
    with pytest.raises(OutputError, match="is not a folder"):
        trained.save(tmp_path / "gone" / "fashion.keras")
