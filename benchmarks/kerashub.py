"""KerasHub's image models, small and with random weights: what of optogram works on them.

``nox -s kerashub``

Prints a table: what works, what is refused in one sentence, and how many of the convolutions stand
inside layers that cannot be looked into. The exit status is 1 where something neither works nor is
refused in one sentence.
"""

import argparse
import traceback
from collections.abc import Callable, Iterator

import keras
import keras_hub
import numpy as np
from keras_hub import models

import optogram as og

CLASSES = 4
SIDE = 64
SHAPE = (SIDE, SIDE, 3)
_REPLAYED = 1e-5
"""Of the largest value: backends sum in another order when they compile another program."""


def classifier(backbone: keras.Model, **arguments) -> keras.Model:
    """What KerasHub puts on any backbone whose output is one batch of maps."""
    return models.ImageClassifier(backbone=backbone, num_classes=CLASSES, **arguments)


def resnet(block_type: str = "basic_block", **arguments) -> keras.Model:
    """The residual networks, which share a backbone."""
    shape = {"image_shape": SHAPE, **arguments}
    is_vd = block_type.endswith("vd")
    return models.ResNetBackbone(
        input_conv_filters=[8, 8, 64] if is_vd else [64],
        input_conv_kernel_sizes=[3, 3, 3] if is_vd else [7],
        stackwise_num_filters=[64, 16, 32],
        stackwise_num_blocks=[1, 2, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type=block_type,
        **shape,
    )


def cspnet(stage_type: str, block_type: str) -> keras.Model:
    """CSPNet, and DarkNet with its connections."""
    return classifier(
        models.CSPNetBackbone(
            stem_filters=16,
            stem_kernel_size=3,
            stem_strides=2,
            stackwise_depth=[1, 2],
            stackwise_strides=[2, 2],
            stackwise_num_filters=[16, 32],
            stage_type=stage_type,
            block_type=block_type,
            bottle_ratio=[0.5],
            block_ratio=[1.0],
            expand_ratio=[2.0],
            image_shape=SHAPE,
        )
    )


def efficientnet(block_types: list[str]) -> keras.Model:
    """The first version has "v1" blocks, the second "fused" and "unfused" ones."""
    return classifier(
        models.EfficientNetBackbone(
            stackwise_kernel_sizes=[3, 3, 5],
            stackwise_num_repeats=[1, 2, 1],
            stackwise_input_filters=[16, 16, 24],
            stackwise_output_filters=[16, 24, 32],
            stackwise_expansion_ratios=[1, 4, 4],
            stackwise_squeeze_and_excite_ratios=[0.25, 0.25, 0.25],
            stackwise_strides=[1, 2, 2],
            stackwise_block_types=block_types,
            stackwise_width_coefficients=[1.0] * 3,
            stackwise_depth_coefficients=[1.0] * 3,
            num_features=64,
            input_shape=SHAPE,
        )
    )


def mobilenet() -> keras.Model:
    """The third version, with blocks that squeeze and excite."""
    backbone = models.MobileNetBackbone(
        stackwise_expansion=[[40, 56], [64, 144]],
        stackwise_num_blocks=[2, 2],
        stackwise_num_filters=[[16, 16], [24, 24]],
        stackwise_kernel_size=[[3, 3], [5, 5]],
        stackwise_num_strides=[[2, 1], [2, 1]],
        stackwise_se_ratio=[[None, None], [0.25, 0.25]],
        stackwise_activation=[["relu", "relu"], ["hard_swish", "hard_swish"]],
        stackwise_padding=[[1, 1], [2, 2]],
        output_num_filters=64,
        depthwise_filters=16,
        depthwise_stride=2,
        depthwise_residual=False,
        last_layer_filter=64,
        squeeze_and_excite=0.5,
        input_activation="hard_swish",
        output_activation="hard_swish",
        image_shape=SHAPE,
    )
    return models.MobileNetImageClassifier(backbone, CLASSES, num_features=32)


def mobilenet_v5() -> keras.Model:
    """Edge residuals and universal inverted bottlenecks."""
    backbone = models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "uir"]],
        stackwise_num_blocks=[1, 2],
        stackwise_num_filters=[[24], [48, 48]],
        stackwise_strides=[[2], [2, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu"]],
        stackwise_exp_ratios=[[4.0], [6.0, 6.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 5]],
        stackwise_dw_start_kernel_sizes=[[0], [0, 0]],
        stackwise_dw_end_kernel_sizes=[[0], [0, 0]],
        stackwise_exp_kernel_sizes=[[3], [0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0]],
        stackwise_num_heads=[[0], [0, 0]],
        stackwise_key_dims=[[0], [0, 0]],
        stackwise_value_dims=[[0], [0, 0]],
        stackwise_kv_strides=[[0], [0, 0]],
        stackwise_use_cpe=[[False], [False, False]],
        use_msfa=False,
        image_shape=SHAPE,
    )
    return models.MobileNetV5ImageClassifier(backbone, CLASSES, head_hidden_size=64)


def vgg(side: int, **arguments) -> keras.Model:
    """Its head is a convolution of 7×7, or flattened maps."""
    backbone = models.VGGBackbone(
        stackwise_num_repeats=[1, 1, 2, 2, 2],
        stackwise_num_filters=[8, 8, 16, 16, 16],
        image_shape=(side, side, 3),
    )
    return models.VGGImageClassifier(backbone, CLASSES, pooling_hidden_dim=32, **arguments)


def mit_backbone() -> keras.Model:
    """The transformer whose stages make maps."""
    return models.MiTBackbone(
        image_shape=SHAPE,
        num_layers=2,
        hidden_dims=[16, 32],
        layerwise_depths=[1, 1],
        layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1],
        layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2],
        max_drop_path_rate=0.1,
    )


def hgnetv2() -> keras.Model:
    """Its backbone's outputs are a dictionary, of which the last is read."""
    backbone = models.HGNetV2Backbone(
        depths=[1, 2],
        embedding_size=16,
        hidden_sizes=[32, 64],
        stem_channels=[3, 8, 16],
        hidden_act="relu",
        use_learnable_affine_block=False,
        stackwise_stage_filters=[(16, 8, 32, 1, 1, 3), (32, 16, 64, 2, 1, 3)],
        apply_downsample=[False, True],
        use_lightweight_conv_block=[False, False],
        image_shape=SHAPE,
    )
    return models.HGNetV2ImageClassifier(backbone, preprocessor=None, num_classes=CLASSES)


def vit(**arguments) -> keras.Model:
    """The vision transformer."""
    backbone = models.ViTBackbone(
        image_shape=SHAPE, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64
    )
    return models.ViTImageClassifier(backbone, CLASSES, **arguments)


def deit() -> keras.Model:
    """The vision transformer with a token for what it was taught."""
    backbone = models.DeiTBackbone(
        image_shape=SHAPE,
        patch_size=16,
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
    )
    return models.DeiTImageClassifier(backbone, CLASSES)


def swin() -> keras.Model:
    """The transformer whose windows shift."""
    backbone = models.SwinTransformerBackbone(
        image_shape=(56, 56, 3), embed_dim=16, depths=(1, 2), num_heads=(1, 2), window_size=7
    )
    return models.SwinTransformerImageClassifier(backbone, CLASSES)


def deeplab() -> keras.Model:
    """A segmenter whose encoder is a residual network."""
    encoder = resnet(image_shape=(None, None, 3))
    backbone = models.DeepLabV3Backbone(
        image_encoder=encoder,
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P4",
        projection_filters=8,
        upsampling_size=4,
        dilation_rates=[2, 4, 6],
        image_shape=SHAPE,
    )
    return models.DeepLabV3ImageSegmenter(backbone, CLASSES)


def segformer() -> keras.Model:
    """A segmenter whose encoder is a transformer."""
    backbone = models.SegFormerBackbone(image_encoder=mit_backbone(), projection_filters=16)
    return models.SegFormerImageSegmenter(backbone, CLASSES)


def in_half_precision() -> keras.Model:
    """Maps of 16 bits under weights of 32."""
    return classifier(resnet(dtype="mixed_float16"))


def with_preprocessor() -> keras.Model:
    """A preset's classifier brings its preprocessor, which `predict` runs and a call does not."""
    converter = keras_hub.layers.ResNetImageConverter(image_size=(SIDE, SIDE), scale=1 / 255)
    preprocessor = models.ResNetImageClassifierPreprocessor(image_converter=converter)
    return models.ResNetImageClassifier(resnet(), CLASSES, preprocessor=preprocessor)


ARCHITECTURES: dict[str, Callable[[], keras.Model]] = {
    "ResNet": lambda: classifier(resnet()),
    "ResNet V2": lambda: classifier(resnet("bottleneck_block", use_pre_activation=True)),
    "ResNet-vd": lambda: classifier(resnet("bottleneck_block_vd")),
    "ResNet, softmax, any size": lambda: classifier(
        resnet(image_shape=(None, None, 3)), activation="softmax"
    ),
    "ResNet, mixed_float16": in_half_precision,
    "ResNet, channels first": lambda: classifier(
        resnet(image_shape=(3, SIDE, SIDE), data_format="channels_first")
    ),
    "ResNet with preprocessor": with_preprocessor,
    "CSPNet": lambda: cspnet("csp", "bottleneck_block"),
    "CSPDarkNet": lambda: cspnet("csp", "dark_block"),
    "DarkNet": lambda: cspnet("dark", "dark_block"),
    "DenseNet": lambda: classifier(
        models.DenseNetBackbone([1, 2, 2], image_shape=SHAPE, growth_rate=8)
    ),
    "EfficientNet": lambda: efficientnet(["v1", "v1", "v1"]),
    "EfficientNet V2": lambda: efficientnet(["fused", "unfused", "unfused"]),
    "HGNet V2": hgnetv2,
    "MobileNet": mobilenet,
    "MobileNet V5": mobilenet_v5,
    "VGG": lambda: vgg(224),
    "VGG, flattened": lambda: vgg(SIDE, pooling="flatten"),
    "Xception": lambda: classifier(
        models.XceptionBackbone([[8, 16], [16, 32]], [True, True], image_shape=SHAPE)
    ),
    "MiT": lambda: classifier(mit_backbone()),
    "Swin": swin,
    "ViT": vit,
    "ViT, mean of tokens": lambda: vit(pooling="gap"),
    "DeiT": deit,
    "DeepLabV3+": deeplab,
    "SegFormer": segformer,
}


def questions(net: og.Network) -> dict[str, Callable[[], np.ndarray]]:
    """What is asked of each network, by the title of its column."""
    photo = og.datasets.sample_photo("chelsea")
    x = net.prepare(photo, size=net.nominal_size)
    target = og.Filter(net.graph.steps[-1].name, 0) if net.head.is_spatial else 0

    def replay() -> np.ndarray:
        (ours,) = net.evaluate(x, [net.head.output])
        model = net.model if net.model.input_shape[-1] == x.shape[-1] else twin(net.model)
        theirs = keras.ops.convert_to_numpy(model(x, training=False))
        if not np.abs(ours - theirs).max() <= _REPLAYED * np.abs(theirs).max():
            worst = np.abs(ours - theirs).max() / np.abs(theirs).max()
            raise AssertionError(f"the replay is {worst:.1e} of the largest value off")
        return ours

    return {
        "replay": replay,
        "predict": lambda: np.array([p.probability for p in net.predict(x, top=1)[0]]),
        "saliency": lambda: og.saliency(net, x, target).values,
        "Grad-CAM": lambda: og.gradcam(net, x, target, rectify=False).values,
        "guided": lambda: og.guided_backprop(net, x, target).values,
        "feature maps": lambda: np.concatenate(
            [np.empty(0), *(maps.values.ravel() for maps in og.feature_maps(net, x).values())]
        ),
        "maximize": lambda: og.maximize(net, target, steps=3, size=net.nominal_size).values,
    }


def twin(channels_first: keras.Model) -> keras.Model:
    """The same residual network for channels last, which runs on every backend."""
    found = classifier(resnet())
    found.set_weights(channels_first.get_weights())
    return found


def opaque_convolutions(net: og.Network) -> tuple[int, int]:
    """How many convolutions stand inside steps that cannot be looked into, and how many there are.

    What stands there has no name, no maps, and no rectifier that could be guided.
    """
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    everywhere = {id(layer) for layer in net.model._flatten_layers() if isinstance(layer, kinds)}
    steps = {id(step.operation) for step in net.graph.steps}
    return len(everywhere - steps), len(everywhere)


class Tally:
    """Collects what was refused and what failed, with a number each for the table."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.failures: list[str] = []

    def cell(self, where: str, ask: Callable[[], np.ndarray]) -> str:
        """What the table says of ``ask``."""
        try:
            answer = ask()
        except og.OptogramError as refusal:
            sentence = str(refusal)
            if sentence not in self.refusals:
                self.refusals.append(sentence)
            return f"refused ({self.refusals.index(sentence) + 1})"
        # Whatever it is, it is what the table shall say.
        except Exception:
            self.failures.append(f"{where}\n{traceback.format_exc()}")
            return f"FAILED ({len(self.failures)})"
        if not answer.size:
            return "none"
        if not np.isfinite(answer).all():
            self.failures.append(f"{where}\nnot finite")
            return f"FAILED ({len(self.failures)})"
        return "works" if answer.any() else "zero"


def rows(tally: Tally, names: list[str]) -> Iterator[list[str]]:
    """The cells of the table, line after line."""
    columns = ["replay", "predict", "saliency", "Grad-CAM", "guided", "feature maps", "maximize"]
    yield ["architecture", "steps", "opaque convolutions", "default layer", *columns]
    for name in names:
        keras.utils.set_random_seed(0)
        opened: list[og.Network] = []

        def opens(name: str = name, opened: list = opened) -> np.ndarray:
            opened.append(og.Network(ARCHITECTURES[name](), preprocess="unit"))
            return np.ones(1)

        cell = tally.cell(f"opening {name}", opens)
        if not opened:
            yield [name, cell, *[""] * (len(columns) + 2)]
            continue
        (net,) = opened
        hidden, convolutions = opaque_convolutions(net)
        maps = list(net.map_layers())
        yield [
            name,
            str(len(net.graph.steps)),
            f"{hidden} of {convolutions}",
            f"`{maps[-1]}`" if maps else "none",
            *(tally.cell(f"{question} of {name}", ask) for question, ask in questions(net).items()),
        ]


def main() -> int:
    """Print the table, what was refused, and what failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(ARCHITECTURES))
    tally = Tally()
    print(f"KerasHub {keras_hub.__version__}, Keras {keras.__version__}, {keras.backend.backend()}")
    for number, cells in enumerate(rows(tally, parser.parse_args().only)):
        print(f"| {' | '.join(cells)} |", flush=True)
        if number == 0:
            print("|---" * len(cells) + "|")
    for number, sentence in enumerate(tally.refusals, 1):
        print(f"\n({number}) {sentence}")
    for number, failure in enumerate(tally.failures, 1):
        print(f"\nFAILED ({number}): {failure}")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
