"""Model files that someone means harm with, or that were damaged: by kind, several of each.

Each function writes its files into a folder and gives what `optogram.load` is asked to open. All
are made from one honest model, changed in one place.
"""

import copy
import io
import json
import os
import pickle
import stat
import struct
import warnings
import zipfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np
from keras import layers

KINDS = {}


def kind(function):
    KINDS[function.__name__.replace("_", " ")] = function
    return function


@cache
def honest():
    """The members of an honest .keras file, and the bytes of an honest .h5 file."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="dense")(x), name="mine")
    with TemporaryDirectory() as place:
        model.save(Path(place, "model.keras"))
        model.save(Path(place, "model.h5"))
        with zipfile.ZipFile(Path(place, "model.keras")) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return members, Path(place, "model.h5").read_bytes()


def config():
    return json.loads(honest()[0]["config.json"])


def packed(path, members, method=zipfile.ZIP_STORED):
    """A zip file of (name or ZipInfo, content) pairs, or of a mapping."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return path


def with_config(path, text):
    """A model file with another configuration, in the format that its ending says."""
    text = text if isinstance(text, str | bytes) else json.dumps(text)
    if path.suffix == ".keras":
        return packed(path, honest()[0] | {"config.json": text})
    path.write_bytes(honest()[1])
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = text if isinstance(text, str) else np.bytes_(text)
    return path


def changed(folder, *changes):
    """A .keras and an .h5 file for each change made to the configuration of "conv"."""
    for number, change in enumerate(changes):
        for ending in ("keras", "h5"):
            whole = config()
            change(whole["config"]["layers"][1])
            yield with_config(folder / f"{number}.{ending}", whole)


def with_weights(path, change):
    """A .keras file and an .h5 file whose weights were changed by ``change(file, group, name)``."""
    members, plain = honest()
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        (group,) = [g for name, g in file["layers"].items() if name.startswith("conv")]
        change(file, group["vars"], "0")
    packed(path.with_suffix(".keras"), members | {"model.weights.h5": weights.getvalue()})
    path.with_suffix(".h5").write_bytes(plain)
    with h5py.File(path.with_suffix(".h5"), "r+") as file:
        kernel = next(n for n in file["model_weights/conv/conv"] if n.startswith("kernel"))
        change(file, file["model_weights/conv/conv"], kernel)
    return path.with_suffix(".keras"), path.with_suffix(".h5")


def replaced_layer(kind, config=None, module="keras.layers", **more):
    """A change: this in place of the layer "conv"."""

    def change(layer):
        layer.update(class_name=kind, module=module, config={"name": "conv"} | (config or {}))
        layer.update(registered_name=None, **more)
        layer.pop("build_config", None)

    return change


def setting(**settings):
    return lambda layer: layer["config"].update(copy.deepcopy(settings))


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def object_of(module, name, config=None):
    return {"module": module, "class_name": name, "config": config or {}, "registered_name": None}


def named(modules_and_names):
    """Changes that ask for each, as a layer, as an activation, and as an initializer."""
    for module, name in modules_and_names:
        yield replaced_layer(name, module=module)
        yield setting(activation=function(module, name))
        yield setting(kernel_initializer=object_of(module, name))


# -- code ------------------------------------------------------------------------------------------


LAMBDA = {
    "class_name": "__lambda__",
    "config": {"value": ["4wEAAAA=", None, None], "code": "4wEAAAA=", "defaults": None},
}


@kind
def lambda_layers(folder):
    code = {"function": LAMBDA, "output_shape": [8, 8, 3]}
    lambda_layer = object_of("keras.layers", "Lambda", code)
    yield from changed(
        folder,
        replaced_layer("Lambda", code),
        replaced_layer("Lambda", {"function": ["4wEAAAA=\n", None, None]}),  # as Keras 2 wrote it
        replaced_layer("TimeDistributed", {"layer": lambda_layer}),
        replaced_layer("Sequential", {"layers": [lambda_layer]}, module="keras"),
        replaced_layer("Lambda", code, module="keras.src.layers.core.lambda_layer"),
        replaced_layer("Lambda", code, module=None),
    )


@kind
def lambdas_in_other_slots(folder):
    slots = ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint", "other")
    yield from changed(
        folder,
        *(setting(**{slot: LAMBDA}) for slot in slots),
        lambda layer: layer.update(compile_config={"optimizer": "sgd", "loss": LAMBDA}),
        lambda layer: layer.update(build_config={"input_shape": LAMBDA}),
        lambda layer: layer["inbound_nodes"].append(LAMBDA),
    )


@kind
def names_with_dots(folder):
    yield from changed(
        folder,
        replaced_layer("layers.Lambda", {"function": LAMBDA}, module="keras"),
        replaced_layer("layers.TFSMLayer", {"filepath": str(folder)}, module="keras"),
        setting(activation=function("keras", "utils.get_file")),
    )


@kind
def registered_names(folder):
    yield from changed(
        folder,
        lambda layer: layer.update(class_name="Innocent", registered_name="Lambda", module="x"),
        lambda layer: layer.update(class_name="Lambda", registered_name="Innocent>Conv2D"),
        setting(activation=function("builtins", "eval") | {"registered_name": "relu"}),
    )


@kind
def programs(folder):
    yield from changed(
        folder,
        *named(
            [
                ("os", "system"),
                ("posix", "system"),
                ("subprocess", "Popen"),
                ("builtins", "eval"),
                ("builtins", "exec"),
                ("shutil", "rmtree"),
                ("importlib", "import_module"),
            ]
        ),
    )


@kind
def functions_that_open_the_network(folder):
    yield from changed(
        folder,
        *named(
            [
                ("keras.utils", "get_file"),
                ("keras.datasets.mnist", "load_data"),
                ("keras.applications", "VGG16"),
                ("keras.applications.mobilenet", "MobileNet"),
            ]
        ),
    )


@kind
def functions_that_open_files(folder):
    yield from changed(
        folder,
        *named(
            [
                ("keras.saving", "load_model"),
                ("keras.models", "load_model"),
                ("keras.models", "model_from_json"),
                ("keras.utils", "load_img"),
                ("keras.utils", "save_img"),
                ("keras.utils", "image_dataset_from_directory"),
            ]
        ),
    )


@kind
def switches_of_keras(folder):
    yield from changed(
        folder,
        *named(
            [
                ("keras.config", "enable_unsafe_deserialization"),
                ("keras.config", "set_floatx"),
                ("keras.utils", "clear_session"),
                ("keras.saving", "register_keras_serializable"),
            ]
        ),
    )


@kind
def internals_of_keras(folder):
    yield from changed(
        folder,
        *named(
            [
                ("keras.src.utils.python_utils", "func_load"),
                ("keras.src.saving.saving_lib", "load_model"),
                ("keras.src.utils.file_utils", "File"),
                ("keras.src.utils.module_utils", "LazyModule"),
            ]
        ),
    )


@kind
def layers_of_foreign_code(folder):
    yield from changed(
        folder,
        replaced_layer("TorchModuleWrapper", {"module": "gASVAAAA", "output_shape": None}),
        replaced_layer("TFSMLayer", {"filepath": str(folder / "saved"), "call_endpoint": "serve"}),
        replaced_layer(
            "TFSMLayer", {"filepath": str(folder)}, module="keras.src.export.tfsm_layer"
        ),
        replaced_layer("JaxLayer", {"call_fn": function("builtins", "eval")}),
        replaced_layer("FlaxLayer", {"module": "os"}),
    )


@kind
def vocabularies_elsewhere(folder):
    (folder / "secret.txt").write_text("one\ntwo\n")
    places = (str(folder / "secret.txt"), "/etc/passwd", "https://example.org/v.txt", "gs://b/v")
    yield from changed(
        folder,
        *(
            replaced_layer(name, {"vocabulary": place})
            for name in ("StringLookup", "IntegerLookup", "TextVectorization")
            for place in places
        ),
    )


# -- configurations --------------------------------------------------------------------------------


@kind
def configurations_of_another_type(folder):
    texts = ("", "[]", "3", "null", '"text"', "NaN", "{}", '{"class_name": "Functional"}', "{", "]")
    for number, text in enumerate(texts):
        yield with_config(folder / f"{number}.keras", text)
        yield with_config(folder / f"{number}.h5", text)


@kind
def configurations_that_are_no_text(folder):
    text = json.dumps(config())
    for number, content in enumerate((b"\xff\xfe\x00", b"\x00" * 99, b"\x80" + text.encode())):
        yield with_config(folder / f"{number}.keras", content)
        yield with_config(folder / f"{number}.h5", content)
    for number, value in enumerate(
        (np.arange(3), h5py.Empty("f4"), 3.5, np.bytes_(pickle.dumps(print)))
    ):
        path = with_config(folder / f"value{number}.h5", "{}")
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = value
        yield path


@kind
def configurations_nested_deep(folder):
    inner = object_of("keras", "Sequential", {"layers": []})
    for _ in range(300):
        inner = object_of("keras", "Sequential", {"layers": [inner]})
    for depth in (100, 900, 100_000):
        text = '{"a":' * depth + "1" + "}" * depth
        yield with_config(folder / f"object{depth}.keras", text)
        yield with_config(folder / f"list{depth}.keras", "[" * depth + "]" * depth)
    yield with_config(folder / "models.keras", inner)
    yield with_config(folder / "deep.h5", "[" * 9000 + "]" * 9000)


@kind
def configurations_without_measure(folder):
    many = config()
    extra = object_of("keras.layers", "Activation", {"activation": "relu"})
    many["config"]["layers"] += [extra] * 100_001
    yield packed(
        folder / "many.keras", honest()[0] | {"config.json": json.dumps(many)}, zipfile.ZIP_DEFLATED
    )
    long = honest()[0] | {"config.json": b" " * 100_000_001}
    yield packed(folder / "long.keras", long, zipfile.ZIP_DEFLATED)


@kind
def keys_given_twice(folder):
    text, conv = json.dumps(config()), '"class_name": "Conv2D"'
    assert conv in text
    for number, last in enumerate(
        ('"class_name": "Lambda"', '"class_name": "get_file", "module": "keras.utils"')
    ):
        yield with_config(folder / f"{number}.keras", text.replace(conv, f"{conv}, {last}"))
    yield with_config(folder / "config.keras", text[:-1] + ', "config": [1, 2]}')


@kind
def numbers_beyond_reason(folder):
    yield from changed(
        folder,
        *(setting(filters=n) for n in (10**12, 10**7, -1, 0, 1e300, "many", None, [4], 10**400)),
        *(setting(kernel_size=n) for n in (10**6, [10**6, 10**6], [-3, 3], [], [float("nan")] * 2)),
        setting(strides=0),
        setting(groups=10**9),
        replaced_layer("Dense", {"units": 10**12}),
        replaced_layer("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 10**9}),
        replaced_layer("Embedding", {"input_dim": 10**12, "output_dim": 10**6}),
    )


@kind
def pictures_larger_than_any(folder):
    for number, sides in enumerate(([10**6, 10**6, 3], [10**12, 1, 3], [8, 8, 10**9])):
        whole = config()
        whole["config"]["layers"][0]["config"]["batch_shape"] = [None, *sides]
        yield with_config(folder / f"{number}.keras", whole)
        yield with_config(folder / f"{number}.h5", whole)


@kind
def arrays_of_strange_types(folder):
    def array(dtype):
        return {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": dtype}}

    types = ("S9000000000", "V9000000000", "O", "a9000000000", 3, None)
    yield from changed(folder, *(setting(activity_regularizer=array(dtype)) for dtype in types))


@kind
def layers_in_a_circle(folder):
    def taking(index, source):
        def change(layer):
            text = json.dumps(layer["inbound_nodes"])
            changed = text.replace('["image", 0, 0', f'["{source}", {index}, 0')
            layer["inbound_nodes"] = json.loads(changed)

        return change

    sources = ((0, "conv"), (0, "dense"), (7, "image"), (0, "x"))
    yield from changed(folder, *(taking(index, source) for index, source in sources))


@kind
def shared_objects_and_shapes_that_lie(folder):
    yield from changed(
        folder,
        lambda layer: layer.update(shared_object_id=1, inbound_nodes=[]),
        lambda layer: layer.update(inbound_nodes="conv"),
        lambda layer: layer["inbound_nodes"].extend(layer["inbound_nodes"][:1] * 3 + [None]),
        lambda layer: layer.update(build_config={"input_shape": ["a", {}, None]}, name="image"),
        lambda layer: layer.update(build_config={"input_shape": [None, 8, 8, 10**12]}),
    )


# -- archives --------------------------------------------------------------------------------------


@kind
def members_that_lead_elsewhere(folder):
    names = ("../../evil", "/tmp/evil", "..\\..\\evil", "C:\\evil", "assets/../../evil", "c:evil")
    for number, name in enumerate(names):
        yield packed(folder / f"{number}.keras", honest()[0] | {"assets/a": b"", name: b"evil"})


@kind
def members_that_are_links(folder):
    for number, name in enumerate(("assets", "assets/link", "other")):
        link = zipfile.ZipInfo(name)
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        yield packed(folder / f"{number}.keras", [*honest()[0].items(), (link, str(folder.parent))])


@kind
def members_given_twice(folder):
    for name, content in honest()[0].items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile says that the name is there already
            twice = [*honest()[0].items(), (name, content)]
            yield packed(folder / f"{name}.keras", twice)


@kind
def members_under_lock(folder):
    for number, name in enumerate(honest()[0]):
        if name == "metadata.json":
            continue
        data = bytearray(packed(folder / f"{number}.keras", honest()[0]).read_bytes())
        for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = data.find(signature)
            while place >= 0:
                header = 30 if at == 6 else 46
                if data[place + header : place + header + len(name)] == name.encode():
                    data[place + at] |= 1
                place = data.find(signature, place + 1)
        (folder / f"{number}.keras").write_bytes(data)
        yield folder / f"{number}.keras"


@kind
def members_missing(folder):
    members = honest()[0]
    for name in ("config.json", "model.weights.h5"):
        yield packed(folder / f"no {name}.keras", {k: v for k, v in members.items() if k != name})
    archive = io.BytesIO()
    np.savez(archive, layers=np.array([print], object))
    pickled = {"config.json": members["config.json"], "model.weights.npz": archive.getvalue()}
    yield packed(folder / "pickles.keras", pickled)
    yield packed(folder / "nothing.keras", {})


@kind
def archives_that_unpack_to_gigabytes(folder):
    zeros = bytes(300_000_000)
    for name in ("model.weights.h5", "assets/zeros", "metadata.json"):
        path = folder / f"{Path(name).stem}.keras"
        yield packed(path, honest()[0] | {name: zeros}, zipfile.ZIP_DEFLATED)
    # All members are one and the same stretch of the file, named many times.
    path = packed(
        folder / "many.keras", honest()[0] | {"a": zeros[:60_000_000]}, zipfile.ZIP_DEFLATED
    )
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("a")
        for number in range(300):
            twin = copy.copy(first)
            twin.filename = twin.orig_filename = f"assets/{number}"
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
        archive._didModify = True
    yield path


@kind
def archives_that_lie_about_sizes(folder):
    for name in ("config.json", "model.weights.h5"):
        for number, size in enumerate((0, 10, 1 << 31, 0xFFFFFFFE)):
            path = packed(folder / f"{name}{number}.keras", honest()[0], zipfile.ZIP_DEFLATED)
            data = bytearray(path.read_bytes())
            with zipfile.ZipFile(path) as archive:
                place = archive.getinfo(name).header_offset
            struct.pack_into("<I", data, place + 22, size)
            place = data.find(name.encode(), data.find(b"PK\x01\x02")) - 46
            struct.pack_into("<I", data, place + 24, size)
            path.write_bytes(data)
            yield path


@kind
def archives_packed_unusually(folder):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield packed(folder / f"{method}.keras", honest()[0], method)
        big = honest()[0] | {"assets/big": bytes(50_000_000)}
        yield packed(folder / f"big{method}.keras", big, method)


@kind
def files_cut_short(folder):
    plain = packed(folder / "whole.keras", honest()[0]).read_bytes()
    for ending, data in (("keras", plain), ("h5", honest()[1])):
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            (folder / f"{share}.{ending}").write_bytes(data[: int(share * len(data))])
            yield folder / f"{share}.{ending}"


@kind
def bytes_changed_in_the_weights(folder):
    """Damage to the structure of HDF5, where its own library reads first."""
    rng = np.random.default_rng(0)
    for number in range(12):
        for ending, data in (("h5", honest()[1]), ("keras", honest()[0]["model.weights.h5"])):
            damaged = bytearray(data)
            for place in rng.integers(0, 400, 60):
                damaged[place] = rng.integers(256)
            path = folder / f"{number}.{ending}"
            if ending == "h5":
                path.write_bytes(damaged)
            else:
                packed(path, honest()[0] | {"model.weights.h5": bytes(damaged)})
            yield path


# -- weights ---------------------------------------------------------------------------------------


@kind
def weights_in_another_file(folder):
    with h5py.File(folder / "other.h5", "w") as file:
        file["kernel"] = np.ones((3, 3, 3, 4), np.float32)
    (folder / "numbers.bin").write_bytes(bytes(432))

    def external_link(file, group, name):
        del group[name]
        group[name] = h5py.ExternalLink(str(folder / "other.h5"), "/kernel")

    def external_storage(file, group, name):
        del group[name]
        place = [(str(folder / "numbers.bin"), 0, h5py.h5f.UNLIMITED)]
        group.create_dataset(name, (3, 3, 3, 4), "f4", external=place)

    def virtual(file, group, name):
        del group[name]
        layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
        layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "kernel", (3, 3, 3, 4))
        group.create_virtual_dataset(name, layout)

    def group_elsewhere(file, group, name):
        file["assets"] = h5py.ExternalLink("/dev/zero", "/")

    for change in (external_link, external_storage, virtual, group_elsewhere):
        yield from with_weights(folder / change.__name__, change)


@kind
def links_in_a_circle(folder):
    def to_itself(file, group, name):
        del group[name]
        group[name] = h5py.SoftLink(f"{group.name}/{name}")

    def to_each_other(file, group, name):
        group["a"], group["b"] = h5py.SoftLink("b"), h5py.SoftLink("a")

    def to_the_top(file, group, name):
        del group[name]
        group[name] = h5py.SoftLink("/")

    def hard(file, group, name):
        del group[name]
        group[name] = file["/"]

    for change in (to_itself, to_each_other, to_the_top, hard):
        yield from with_weights(folder / change.__name__, change)


@kind
def shapes_with_nothing_stored(folder):
    def chunked(file, group, name):
        del group[name]
        group.create_dataset(name, (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip")

    def contiguous(file, group, name):
        del group[name]
        group.create_dataset(name, (10**9, 10**3), "f8")

    def many(file, group, name):
        for number in range(300):
            group.create_dataset(f"zeros{number}", (3_000_000,), "f4", fillvalue=1)

    def zeros(file, group, name):
        del group[name]
        zeros = np.zeros((30_000_000,), "f4")
        group.create_dataset(name, data=zeros, chunks=(1_000_000,), compression="gzip")

    for change in (chunked, contiguous, many, zeros):
        yield from with_weights(folder / change.__name__, change)


@kind
def weights_of_another_kind(folder):
    def replaced_by(content):
        def change(file, group, name):
            del group[name]
            group[name] = content

        return change

    contents = {
        "shape": np.ones((3, 3, 4), "f4"),
        "text": np.array([b"a", b"b"]),
        "texts": np.array(["a", "b"], h5py.string_dtype()),
        "record": np.zeros(2, [("a", "f4"), ("b", "i2")]),
        "bytes": np.void(pickle.dumps(print)),
        "number": 3.0,
        "nothing": h5py.Empty("f4"),
    }
    for label, content in contents.items():
        yield from with_weights(folder / label, replaced_by(content))

    def references(file, group, name):
        reference = group[name].ref
        del group[name]
        group.create_dataset(name, data=np.array([reference] * 4, h5py.ref_dtype))

    def absent(file, group, name):
        del group[name]

    def group_instead(file, group, name):
        del group[name]
        group.create_group(name)

    for change in (references, absent, group_instead):
        yield from with_weights(folder / change.__name__, change)


# -- what is no model file -------------------------------------------------------------------------


@kind
def models_under_another_ending(folder):
    for ending in ("h5", "hdf5", "zip", "png"):
        yield packed(folder / f"archive.{ending}", honest()[0])
    for ending in ("keras", "zip", "weights.json"):
        (folder / f"plain.{ending}").write_bytes(honest()[1])
        yield folder / f"plain.{ending}"
    # An archive behind an .h5 file: each format's reader finds one of its own.
    both = io.BytesIO(honest()[1])
    both.seek(0, os.SEEK_END)
    with zipfile.ZipFile(both, "a") as archive:
        archive.writestr("config.json", json.dumps(object_of("keras.layers", "Lambda")))
    for ending in ("keras", "h5"):
        (folder / f"both.{ending}").write_bytes(both.getvalue())
        yield folder / f"both.{ending}"


@kind
def files_of_something_else(folder):
    contents = {
        "empty": b"",
        "text": b"hello\n" * 1000,
        "page": b"<!DOCTYPE html><script>alert(1)</script>",
        "pickle": pickle.dumps(print),
        "program": b"#!/bin/sh\nrm -rf /\n",
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "noise": np.random.default_rng(0).bytes(5000),
        "zip": b"PK\x05\x06" + bytes(18),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    }
    for name, content in contents.items():
        for ending in ("keras", "h5"):
            (folder / f"{name}.{ending}").write_bytes(content)
            yield folder / f"{name}.{ending}"


@kind
def places_that_are_no_files(folder):
    (folder / "folder.keras").mkdir()
    yield folder / "folder.keras"
    (folder / "saved.h5").mkdir()
    (folder / "saved.h5" / "config.json").write_text(json.dumps(object_of("os", "system")))
    yield folder / "saved.h5"
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.keras")
        yield folder / "pipe.keras"
        (folder / "zero.h5").symlink_to("/dev/zero")
        yield folder / "zero.h5"
        (folder / "circle.keras").symlink_to(folder / "circle.keras")
        yield folder / "circle.keras"
        (folder / "nowhere.keras").symlink_to(folder / "missing")
        yield folder / "nowhere.keras"


@kind
def names_that_are_no_names(folder):
    yield from (
        "two\nlines.keras",
        "\x1b[31mred\x07.h5",
        "right\u202eto left.keras",
        "\udcff\udc80.h5",
        "null\0byte.keras",
        "x" * 5000 + ".keras",
        "x" * 5000,
        "a/" * 3000 + "b.h5",
        "line\nin a name",
        Path("two\nlines"),
    )


@kind
def addresses(folder):
    yield from (
        "https://example.org/model.keras",
        "http://169.254.169.254/model.h5",
        "hf://someone/model.keras",
        "hf://someone/model",
        "gs://bucket/model.keras",
        "file:///etc/passwd",
        "//server/share/model.keras",
    )


# -- activations -----------------------------------------------------------------------------------


def bombs(folder):
    """Small files of honest structure whose maps fill any memory, and the layer that makes them."""
    makers = {
        "UpSampling2D": layers.UpSampling2D(400_000),
        "ZeroPadding2D": layers.ZeroPadding2D(2_000_000),
        "Resizing": layers.Resizing(3_000_000, 3_000_000),
        "RepeatVector": layers.RepeatVector(10**12),
        "tile": lambda x: keras.ops.tile(x, (1, 10**6, 10**6, 1)),
        "broadcast": lambda x: keras.ops.repeat(x, 10**12, axis=1),
    }
    for name, make in makers.items():
        image = keras.Input((8, 8, 3), name="image")
        is_flat = isinstance(make, layers.RepeatVector)
        x = make(layers.Flatten()(image) if is_flat else image)
        large = x._keras_history.operation.name
        x = (layers.GlobalAveragePooling1D if is_flat else layers.GlobalAveragePooling2D)()(x)
        model = keras.Model(image, layers.Dense(3, activation="softmax")(x), name="bomb")
        model.save(folder / f"{name}.keras")
        yield folder / f"{name}.keras", large
