"""The contract of the backends: the same names, and on the one that Keras uses, the same values."""

import ast
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

import networks
import optogram
from optogram import backend

pytestmark = pytest.mark.keras_inside

FOLDER = Path(backend.__file__).parent
CURRENT = backend.current()
FOREIGN_ENVIRONMENT = ("KERAS_BACKEND", "KERAS_HOME", "PYTHONPATH")


# -- the same names and signatures, whether a backend is installed or not --------------------------


def public_functions(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    return {
        node.name: (ast.unparse(node.args), ast.unparse(node.returns) if node.returns else None)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def constants(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    return {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if not target.id.startswith("_")
    }


def test_there_is_one_file_a_backend():
    assert {path.stem for path in FOLDER.glob("*.py")} == {*backend.NAMES, "__init__"}


@pytest.mark.parametrize("name", backend.NAMES)
def test_every_backend_offers_the_same_functions(name):
    assert public_functions(name) == public_functions(backend.NAMES[0])
    assert constants(name) == {"NAME": name}


def test_the_contract_states_every_function():
    for function in public_functions(backend.NAMES[0]):
        assert f"``{function}(" in backend.__doc__


def test_current_is_the_module_of_the_backend_of_keras():
    assert CURRENT.NAME == keras.config.backend() == backend.configured()
    assert CURRENT.__name__ == f"optogram.backend.{CURRENT.NAME}"


# -- tensors and arrays ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
def test_a_tensor_has_the_type_and_the_values_of_its_array(dtype):
    array = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
    tensor = CURRENT.to_tensor(array)
    assert keras.ops.is_tensor(tensor)
    assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    back = CURRENT.to_array(tensor)
    assert isinstance(back, np.ndarray)
    assert back.dtype == ("float32" if dtype == "float16" else dtype)
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_becomes_float32(dtype):
    tensor = keras.ops.cast(CURRENT.to_tensor(np.array([1.5, -2.0, 0.25], "float32")), dtype)
    back = CURRENT.to_array(tensor)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, [1.5, -2.0, 0.25])


def test_a_value_that_has_a_gradient_becomes_an_array():
    program = CURRENT.gradient(lambda x: (x[None], x * 2))
    _, doubled = program(CURRENT.to_tensor(np.ones(3, "float32")))
    np.testing.assert_array_equal(CURRENT.to_array(doubled), [2, 2, 2])


# -- compile ---------------------------------------------------------------------------------------


def test_compiled_functions_see_the_current_values_of_variables():
    factor = keras.Variable(2.0)
    compiled = CURRENT.compile(lambda x: x * factor, [factor])
    x = CURRENT.to_tensor(np.array([1.0, 3.0], "float32"))
    np.testing.assert_array_equal(CURRENT.to_array(compiled(x)), [2, 6])
    factor.assign(-1.0)
    np.testing.assert_array_equal(CURRENT.to_array(compiled(x)), [-1, -3])


def test_compiled_functions_see_the_current_weights_of_a_model():
    model = networks.build("skips")
    compiled = CURRENT.compile(lambda x: model(x), model.variables)
    x = networks.images_for(model)
    CURRENT.to_array(compiled(CURRENT.to_tensor(x)))
    networks.fill(model, seed=1)
    found = CURRENT.to_array(compiled(CURRENT.to_tensor(x)))
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)


def test_compiled_functions_write_to_no_variable():
    keras.utils.set_random_seed(0)
    counter = keras.Variable(0.0)
    norm, dropout = keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1)
    norm.build((None, 3))

    def function(x):
        counter.assign(counter + 1)
        return norm(dropout(x, training=True), training=True)

    state = dropout.seed_generator.state
    variables = [counter, state, *norm.variables]
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    compiled = CURRENT.compile(function, variables)
    x = np.random.default_rng(0).normal(5, 2, (8, 3)).astype("float32")
    found = CURRENT.to_array(compiled(CURRENT.to_tensor(x)))
    np.testing.assert_allclose(found.mean(axis=0), np.zeros(3), atol=1e-5)  # it did train
    for old, variable in zip(before, variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), old)


def test_compiled_functions_take_several_arguments_and_return_any_nesting():
    compiled = CURRENT.compile(lambda x, y: ([x + y, (x - y, x * y)], y), [])
    x, y = (CURRENT.to_tensor(np.array(v, "float32")) for v in ([5.0, 1.0], [2.0, 4.0]))
    (total, (difference, product)), same = keras.tree.map_structure(
        CURRENT.to_array, compiled(x, y)
    )
    np.testing.assert_array_equal(total, [7, 5])
    np.testing.assert_array_equal(difference, [3, -3])
    np.testing.assert_array_equal(product, [10, 4])
    np.testing.assert_array_equal(same, [2, 4])


def test_compiled_functions_take_arguments_of_any_size():
    compiled = CURRENT.compile(lambda x: keras.ops.sum(x, axis=(1, 2)), [])
    for shape in [(1, 4, 4), (2, 4, 4), (1, 7, 5), (3, 2, 9)]:
        found = CURRENT.to_array(compiled(CURRENT.to_tensor(np.ones(shape, "float32"))))
        np.testing.assert_array_equal(found, np.full(shape[0], shape[1] * shape[2]))


# -- gradient --------------------------------------------------------------------------------------


def formula(x, y, z):
    return 5 * x + y**2 + keras.ops.sin(z)


VALUES = [np.array(v, "float32") for v in ([1.0, 2.0], [3.0, -4.0], [0.5, 2.5])]


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize(
    ("which", "slope"),
    [(0, np.full(2, 5.0)), (1, 2 * VALUES[1]), (2, np.cos(VALUES[2]))],
    ids=["x", "y", "z"],
)
def test_gradient_is_the_analytic_one(which, slope, is_compiled):
    others = [value for i, value in enumerate(VALUES) if i != which]

    def function(at, *rest):
        arguments = list(rest)
        arguments.insert(which, at)
        scores = formula(*arguments)
        return scores[None], {"scores": scores, "others": rest}

    program = CURRENT.gradient(function)
    if is_compiled:
        program = CURRENT.compile(program, [])
    found, extras = program(*map(CURRENT.to_tensor, [VALUES[which], *others]))
    np.testing.assert_allclose(CURRENT.to_array(found), slope[None], rtol=1e-6)
    np.testing.assert_allclose(
        CURRENT.to_array(extras["scores"]), formula_by_hand(*VALUES), rtol=1e-6
    )
    for given, back in zip(others, extras["others"], strict=True):
        np.testing.assert_array_equal(CURRENT.to_array(back), given)


def formula_by_hand(x, y, z):
    return 5 * x + y**2 + np.sin(z)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_each_row_of_scores_has_its_gradient_which_is_that_of_the_sum_of_the_row(is_compiled):
    program = CURRENT.gradient(lambda x, factors: (factors[:, None] * x[None] ** 2, ()))
    if is_compiled:
        program = CURRENT.compile(program, [])
    x = np.array([1.0, 2.0, 4.0], "float32")
    for factors in ([3.0], [1.0, -2.0], [0.0, 1.0, 5.0, 2.0]):
        factors = np.array(factors, "float32")
        found, _ = program(CURRENT.to_tensor(x), CURRENT.to_tensor(factors))
        np.testing.assert_allclose(CURRENT.to_array(found), 2 * factors[:, None] * x)


def test_rows_of_scores_share_one_run_of_the_function():
    runs = []

    def function(x):
        runs.append(x)
        return keras.ops.stack([x, x**2, x**3]), ()

    found, _ = CURRENT.gradient(function)(CURRENT.to_tensor(np.array([2.0], "float32")))
    np.testing.assert_allclose(CURRENT.to_array(found), [[1], [4], [12]])
    assert len(runs) == 1


@pytest.mark.parametrize("rows", [1, 2])
def test_gradients_at_several_tensors_come_from_one_pass(rows):
    runs = []

    def function(at, factor):
        runs.append(at)
        first, second = at
        return keras.ops.stack([factor * first**2 * second[:, 0], first][:rows]), second

    at = [CURRENT.to_tensor(np.array(v, "float32")) for v in ([2.0], [[3.0, 9.0]])]
    found, second = CURRENT.gradient(function)(at, CURRENT.to_tensor(np.float32(10)))
    firsts, seconds = map(CURRENT.to_array, found)
    np.testing.assert_allclose(firsts, [[120], [1]][:rows])
    np.testing.assert_allclose(seconds, [[[40, 0]], [[0, 0]]][:rows])
    np.testing.assert_array_equal(CURRENT.to_array(second), [[3, 9]])
    assert len(runs) == 1


@pytest.mark.parametrize("is_compiled", [False, True])
def test_gradient_is_zero_where_there_is_no_path(is_compiled):
    program = CURRENT.gradient(lambda at, other: (keras.ops.stack([other, other * 2]), at))
    if is_compiled:
        program = CURRENT.compile(program, [])
    at, other = (CURRENT.to_tensor(np.array(v, "float32")) for v in ([1, 2], [3, 4]))
    found, _ = program(at, other)
    np.testing.assert_array_equal(CURRENT.to_array(found), np.zeros((2, 2)))


def test_gradient_is_zero_where_one_row_has_no_path_and_another_has():
    def function(at, other):
        return keras.ops.stack([at * 3, other]), ()

    at, other = (CURRENT.to_tensor(np.array(v, "float32")) for v in ([1, 2], [3, 4]))
    found, _ = CURRENT.compile(CURRENT.gradient(function), [])(at, other)
    np.testing.assert_array_equal(CURRENT.to_array(found), [[3, 3], [0, 0]])


def test_gradient_is_zero_where_a_weight_leads_to_the_score_but_the_argument_does_not():
    weight = keras.Variable(2.0)

    def function(at):
        return keras.ops.reshape(weight * weight, (1, 1)), at

    program = CURRENT.compile(CURRENT.gradient(function), [weight])
    found, _ = program(CURRENT.to_tensor(np.array([1.0, 2.0], "float32")))
    np.testing.assert_array_equal(CURRENT.to_array(found), [[0, 0]])


# -- other values in the place of variables --------------------------------------------------------


def test_values_stand_in_for_variables_and_leave_them_alone():
    model = networks.build("separate")
    other = networks.build("separate", seed=1)
    x = CURRENT.to_tensor(networks.images_for(model))
    program = CURRENT.compile(lambda x: model(x), model.variables)
    before = CURRENT.to_array(program(x))
    values = [CURRENT.to_tensor(keras.ops.convert_to_numpy(v)) for v in other.variables]
    found = CURRENT.to_array(program(x, weights=values))
    expected = keras.ops.convert_to_numpy(other(x, training=False))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(CURRENT.to_array(program(x)), before)
    assert not np.allclose(found, before)


# -- pass_positive ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(6, 8), (5, 8), (6, 7), (5, 7), (1, 2)])
def test_inverse_fft2_is_that_of_numpy(size):
    """Also of numbers that are no spectrum of anything real, as a climb makes them."""
    generator = np.random.default_rng(0)
    shape = (2, 3, size[0], size[1] // 2 + 1)
    real, imaginary = (generator.standard_normal(shape, np.float32) for _ in range(2))
    found = CURRENT.inverse_fft2(*map(CURRENT.to_tensor, (real, imaginary)), size)
    expected = np.fft.irfft2(real + 1j * imaginary, size)
    assert tuple(found.shape) == (2, 3, *size)
    np.testing.assert_allclose(CURRENT.to_array(found), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(6, 8), (5, 7)])
def test_inverse_fft2_has_the_gradient_of_a_linear_map(size):
    generator = np.random.default_rng(0)
    shape = (1, size[0], size[1] // 2 + 1)
    parts = generator.standard_normal((2, *shape), np.float32)
    weights = generator.standard_normal((1, *size), np.float32)

    def function(parts, weights):
        made = CURRENT.inverse_fft2(parts[0], parts[1], size)
        return keras.ops.reshape(keras.ops.sum(made * weights), (1, 1)), ()

    program = CURRENT.compile(CURRENT.gradient(function), [])
    found, _ = program(*map(CURRENT.to_tensor, (parts, weights)))
    # Of a linear map, the slope along each number is what that number alone gives.
    for index in np.ndindex(parts.shape):
        alone = np.zeros_like(parts)
        alone[index] = 1
        expected = (np.fft.irfft2(alone[0] + 1j * alone[1], size) * weights).sum()
        assert CURRENT.to_array(found)[(0, *index)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_pass_positive_changes_nothing_but_the_gradient(is_compiled):
    def function(x, factors):
        return (CURRENT.pass_positive(x) * factors)[None], CURRENT.pass_positive(x)

    program = CURRENT.gradient(function)
    if is_compiled:
        program = CURRENT.compile(program, [])
    x = CURRENT.to_tensor(np.array([-1.0, 2.0, -3.0, 4.0], "float32"))
    factors = CURRENT.to_tensor(np.array([5.0, -6.0, -7.0, 8.0], "float32"))
    found, same = program(x, factors)
    np.testing.assert_array_equal(CURRENT.to_array(found), [[5, 0, 0, 8]])
    np.testing.assert_array_equal(CURRENT.to_array(same), [-1, 2, -3, 4])


def test_pass_positive_takes_several_rows():
    program = CURRENT.gradient(
        lambda x: (keras.ops.stack([1 * CURRENT.pass_positive(x), -CURRENT.pass_positive(x)]), ())
    )
    found, _ = CURRENT.compile(program, [])(CURRENT.to_tensor(np.ones(2, "float32")))
    np.testing.assert_array_equal(CURRENT.to_array(found), [[1, 1], [0, 0]])


def test_gradient_leaves_nothing_behind_on_the_weights():
    model = networks.build("separate")
    x = CURRENT.to_tensor(networks.images_for(model))
    program = CURRENT.gradient(lambda x: (model(x)[None, :, 0], ()))
    found, _ = CURRENT.compile(program, model.variables)(x)
    assert CURRENT.to_array(found).any()
    # PyTorch alone keeps gradients with its weights.
    assert all(getattr(weight.value, "grad", None) is None for weight in model.weights)
    assert not getattr(x, "requires_grad", False)


# -- faster ----------------------------------------------------------------------------------------


FORMS = [
    {},
    {"padding": "same", "use_bias": False},
    {"strides": 2, "padding": "same"},
    {"kernel_size": (5, 2), "strides": (3, 3)},
    {"kernel_size": (2, 5), "padding": "same", "dilation_rate": 2},
    {"dtype": "mixed_bfloat16", "padding": "same"},
]
LAYERS = [
    *((keras.layers.DepthwiseConv2D, {"kernel_size": 3, **form}) for form in FORMS),
    (keras.layers.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 2}),
    *((keras.layers.Conv2D, {"filters": 6, "kernel_size": 3, **form}) for form in FORMS),
    (keras.layers.Conv2D, {"filters": 6, "kernel_size": 3, "groups": 2}),
    (keras.layers.Conv2D, {"filters": 6, "kernel_size": 1}),
    (keras.layers.Conv2D, {"filters": 6, "kernel_size": 1, "strides": 2}),
    *((keras.layers.SeparableConv2D, {"filters": 6, "kernel_size": 3, **f}) for f in FORMS[:3]),
    (keras.layers.SeparableConv2D, {"filters": 6, "kernel_size": 3, "depth_multiplier": 2}),
    (keras.layers.MaxPooling2D, {}),
    (keras.layers.MaxPooling2D, {"pool_size": 3, "strides": 2}),
    (keras.layers.MaxPooling2D, {"pool_size": (2, 3), "strides": (3, 1), "padding": "same"}),
    (keras.layers.MaxPooling2D, {"pool_size": 3, "strides": 2, "padding": "same"}),
    (keras.layers.AveragePooling2D, {"pool_size": (3, 2), "strides": 2}),
    (keras.layers.ZeroPadding2D, {"padding": ((1, 0), (2, 3))}),
    (keras.layers.BatchNormalization, {}),
    (keras.layers.BatchNormalization, {"axis": 1, "scale": False, "center": False}),
]


@pytest.mark.parametrize(("kind", "arguments"), LAYERS)
@pytest.mark.parametrize("size", [(8, 9), (13, 12)])
def test_what_is_faster_computes_the_same(kind, arguments, size):
    keras.utils.set_random_seed(0)
    layer = kind(**arguments)
    layer.build((None, *size, 4))
    networks.fill(layer)
    faster = CURRENT.faster(layer)
    if faster is None:
        assert CURRENT.NAME != "torch" or arguments.get("padding") == "same"
        assert CURRENT.NAME != "jax" or kind is not keras.layers.DepthwiseConv2D
        return
    # In halves, so that windows have equal values: their gradient goes to the first.
    x = np.round(2 * np.random.default_rng(0).normal(size=(2, *size, 4))).astype("float32") / 2
    x = CURRENT.to_tensor(x)

    def squared(run):
        def function(x):
            made = keras.ops.cast(run(x), "float32")
            return keras.ops.sum(made**2, (1, 2, 3))[None], made

        return [CURRENT.to_array(one) for one in CURRENT.gradient(function)(x)]

    bound = 0.03 if "dtype" in arguments else 1e-5  # bfloat16 has eight bits
    for found, expected in zip(squared(faster), squared(layer), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound * np.abs(expected).max())


def test_faster_layers_read_their_weights_when_they_are_called():
    x = CURRENT.to_tensor(np.ones((1, 4, 4, 2), "float32"))
    for layer in (keras.layers.Conv2D(3, 2), keras.layers.BatchNormalization()):
        layer.build(x.shape)
        run = CURRENT.faster(layer) or layer
        run(x)
        for variable in layer.variables:
            variable.assign(keras.ops.full(variable.shape, 2.0))
        np.testing.assert_allclose(CURRENT.to_array(run(x)), CURRENT.to_array(layer(x)), rtol=1e-6)


@pytest.mark.parametrize(
    ("rectifier", "is_replaced"),
    [
        (keras.activations.relu, True),
        (keras.activations.relu6, True),
        (keras.layers.ReLU(), True),
        (keras.layers.ReLU(2.0), True),
        (keras.layers.ReLU(negative_slope=0.1), False),
        (keras.layers.ReLU(threshold=1.0), False),
        (keras.activations.tanh, False),
    ],
)
def test_overwriting_rectifiers_compute_the_same(rectifier, is_replaced):
    overwriting = CURRENT.overwriting(rectifier)
    if overwriting is None:
        assert CURRENT.NAME != "torch" or not is_replaced
        return
    assert is_replaced
    x = CURRENT.to_tensor(np.linspace(-9, 9, 36, dtype="float32").reshape(3, 12))

    def squared(run):
        program = CURRENT.gradient(lambda x: (keras.ops.sum(run(3 * x) ** 2, 1)[None], run(2 * x)))
        return [CURRENT.to_array(one) for one in program(x)]

    for found, expected in zip(squared(overwriting), squared(rectifier), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_only_plain_layers_are_replaced():
    class Mine(keras.layers.DepthwiseConv2D):
        def call(self, x):
            return 2 * super().call(x)

    assert CURRENT.faster(Mine(3)) is None
    assert CURRENT.faster(keras.layers.Conv2DTranspose(2, 3)) is None
    assert CURRENT.faster(keras.layers.DepthwiseConv2D(3, data_format="channels_first")) is None


def test_an_error_inside_reaches_the_caller_and_the_next_call_works():
    def function(x):
        if x.shape[0] == 2:
            raise RuntimeError("two is too many")
        return x * 3

    compiled = CURRENT.compile(function, [])
    with pytest.raises(RuntimeError, match="two is too many"):
        compiled(CURRENT.to_tensor(np.ones(2, "float32")))
    found = compiled(CURRENT.to_tensor(np.ones(3, "float32")))
    np.testing.assert_array_equal(CURRENT.to_array(found), [3, 3, 3])


# -- which backend, asked in fresh processes -------------------------------------------------------

PRETEND = """
    import importlib.machinery
    import importlib.util

    real, missing = importlib.util.find_spec, {missing!r}

    def find_spec(name, package=None):
        if name in ("tensorflow", "jax", "torch"):
            return None if name in missing else importlib.machinery.ModuleSpec(name, None)
        return real(name, package)

    importlib.util.find_spec = find_spec
"""


def ask(program, home, missing=(), **environment):
    """The output of ``program`` in a process where the backends ``missing`` are not installed."""
    inherited = {k: v for k, v in os.environ.items() if k not in FOREIGN_ENVIRONMENT}
    source = str(Path(optogram.__file__).parents[1])
    code = textwrap.dedent(PRETEND.format(missing=tuple(missing))) + textwrap.dedent(program)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "HOME": str(home), "PYTHONPATH": source, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


CURRENT_ERROR = """
    from optogram import backend
    from optogram.errors import BackendError
    try:
        print(backend.current().NAME)
    except BackendError as error:
        print(error)
"""
FALL_BACK = """
    import os
    from optogram import backend
    print(backend.fall_back())
    print(os.environ.get("KERAS_BACKEND"))
"""
CONFIGURED = """
    import sys
    from optogram import backend
    print(backend.configured(), "keras" in sys.modules)
"""


@pytest.mark.parametrize("name", backend.NAMES)
def test_a_missing_backend_is_named_with_the_line_that_installs_it(name, tmp_path):
    said = ask(CURRENT_ERROR, tmp_path, missing=[name], KERAS_BACKEND=name)
    other = next(other for other in backend.NAMES if other != name)
    assert f"'{name}'" in said
    assert f'pip install "optogram[{name}]"' in said
    assert f"KERAS_BACKEND={other}" in said
    assert "\n" not in said


def test_where_none_is_installed_none_is_recommended(tmp_path):
    said = ask(CURRENT_ERROR, tmp_path, missing=backend.NAMES, KERAS_BACKEND="torch")
    assert 'pip install "optogram[torch]"' in said
    assert "KERAS_BACKEND" not in said


@pytest.mark.parametrize("name", ["openvino", "theano"])
def test_a_backend_that_computes_no_gradients_is_refused(name, tmp_path):
    said = ask(CURRENT_ERROR, tmp_path, KERAS_BACKEND=name)
    assert f"'{name}'" in said
    assert "KERAS_BACKEND to one of tensorflow, jax, torch" in said
    assert "\n" not in said


def test_asking_for_the_public_api_names_the_missing_backend_before_keras_does(tmp_path):
    program = """
        import optogram as og
        try:
            og.load
        except og.BackendError as error:
            print(error)
    """
    said = ask(program, tmp_path, missing=["jax"], KERAS_BACKEND="jax")
    assert 'pip install "optogram[jax]"' in said


def test_fall_back_takes_the_first_installed_backend_and_says_so(tmp_path):
    said = ask(FALL_BACK, tmp_path, missing=["tensorflow"])
    assert said == "TensorFlow is not installed: using JAX instead.\njax"
    said = ask(FALL_BACK, tmp_path, missing=["tensorflow", "jax"])
    assert said == "TensorFlow is not installed: using PyTorch instead.\ntorch"


@pytest.mark.parametrize(
    ("missing", "environment"),
    [
        ([], {}),  # what is wanted is there
        (backend.NAMES, {}),  # nothing is there
        (["tensorflow"], {"KERAS_BACKEND": "torch"}),  # what is missing was not wanted
        (["tensorflow"], {"KERAS_BACKEND": "openvino"}),  # not for optogram to replace
    ],
)
def test_fall_back_changes_nothing_where_it_need_not_or_cannot(missing, environment, tmp_path):
    said = ask(FALL_BACK, tmp_path, missing=missing, **environment)
    assert said == f"None\n{environment.get('KERAS_BACKEND')}"


def test_fall_back_does_nothing_once_keras_is_imported(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", CURRENT.NAME)
    monkeypatch.setattr(backend, "is_installed", lambda name: name != CURRENT.NAME)
    assert backend.fall_back() is None
    assert os.environ["KERAS_BACKEND"] == keras.config.backend() == CURRENT.NAME


def test_keras_json_is_respected_and_the_environment_goes_before_it(tmp_path):
    settings = tmp_path / ".keras" / "keras.json"
    settings.parent.mkdir()
    settings.write_text('{"backend": "torch"}')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keras.json").write_text('{"backend": "jax"}')
    assert ask(CONFIGURED, tmp_path) == "torch False"
    assert ask(CONFIGURED, tmp_path, KERAS_HOME=str(elsewhere)) == "jax False"
    assert ask(CONFIGURED, tmp_path, KERAS_BACKEND="tensorflow") == "tensorflow False"


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}"])
def test_without_a_usable_keras_json_it_is_tensorflow(content, tmp_path):
    if content is not None:
        (tmp_path / ".keras").mkdir()
        (tmp_path / ".keras" / "keras.json").write_text(content)
    assert ask(CONFIGURED, tmp_path) == "tensorflow False"


def test_keras_and_optogram_read_the_same_setting(tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(f'{{"backend": "{CURRENT.NAME}"}}')
    program = """
        from optogram import backend
        before = backend.configured()
        import keras
        print(before, keras.config.backend(), backend.configured())
    """
    assert ask(program, tmp_path).splitlines()[-1] == " ".join([CURRENT.NAME] * 3)


@pytest.mark.skipif(CURRENT.NAME != "jax", reason="the others compile nothing for a shape")
def test_compiled_programs_are_bounded_on_networks_of_any_size(monkeypatch):
    import jax

    from optogram.interpreters import engine

    monkeypatch.setattr(engine, "_KEPT", 3)
    image = keras.Input((None, None, 3))
    answer = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image))
    net = optogram.Network(keras.Model(image, answer), "unit")
    client, counts = jax.devices()[0].client, []
    for side in range(10, 22):
        net.scores(np.zeros((1, side, 12, 3), np.float32))
        counts.append(len(client.live_executables()))
    assert counts[-1] <= counts[5]
