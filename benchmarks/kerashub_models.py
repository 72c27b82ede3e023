"""KerasHub's image models, small and with random weights, for `kerashub.py`."""

from collections.abc import Callable
from typing import Any

import keras
import keras_hub
import numpy as np
from keras_hub import models
from keras_hub.src.models.blip2.blip2_vision_encoder import BLIP2VisionEncoder
from keras_hub.src.models.metaclip_2.metaclip_2_vision_encoder import MetaCLIP2VisionEncoder

Arguments = dict[str, Any]

CLASSES = 4
SIDE = 64
SHAPE = (SIDE, SIDE, 3)


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


def vit(side: tuple[int, int] = (64, 48), head: Arguments | None = None, **backbone) -> keras.Model:
    """The vision transformer, of a rectangular image."""
    shape = {"image_shape": (*side, 3), **backbone}
    found = models.ViTBackbone(
        patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, **shape
    )
    return models.ViTImageClassifier(found, CLASSES, **(head or {}))


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


def swin(side: int = 56, **arguments) -> keras.Model:
    """The transformer whose windows shift."""
    backbone = models.SwinTransformerBackbone(
        image_shape=(side, side, 3),
        embed_dim=16,
        depths=(2, 2),
        num_heads=(1, 2),
        window_size=7,
        **arguments,
    )
    return models.SwinTransformerImageClassifier(backbone, CLASSES)


def dinov2(**arguments) -> keras.Model:
    """A class token, registers, and position embeddings of larger images."""
    return models.DINOV2Backbone(
        patch_size=14,
        num_layers=2,
        hidden_dim=32,
        num_heads=2,
        intermediate_dim=64,
        num_register_tokens=2,
        image_shape=(70, 70, 3),
        position_embedding_shape=(98, 98),
        apply_layernorm=True,
        **arguments,
    )


def dinov3() -> keras.Model:
    """A class token, registers, and positions that turn queries and keys."""
    return models.DINOV3Backbone(
        patch_size=16,
        num_layers=2,
        hidden_dim=32,
        num_heads=2,
        intermediate_dim=64,
        num_register_tokens=4,
        image_shape=SHAPE,
    )


def image_tower(kind: type, **arguments) -> keras.Model:
    """What CLIP, SigLIP and MetaCLIP do with an image."""
    return kind(
        patch_size=16,
        hidden_dim=32,
        num_layers=2,
        num_heads=2,
        intermediate_dim=64,
        image_shape=SHAPE,
        **arguments,
    )


def blip2_tower() -> keras.Model:
    """What BLIP-2 does with an image."""
    return BLIP2VisionEncoder(
        image_size=SIDE,
        patch_size=16,
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        intermediate_dim=64,
        use_patch_bias=True,
        use_class_token=True,
        use_mha_bias=True,
        use_mlp_bias=True,
        dropout_rate=0.1,
        layer_norm_epsilon=1e-6,
        initializer_range=0.02,
    )


def vit_det(side: int = SIDE) -> keras.Model:
    """The image encoder of SAM: windows that are padded, and one block without windows."""
    return models.ViTDetBackbone(
        hidden_size=32,
        num_layers=2,
        intermediate_dim=64,
        num_heads=2,
        global_attention_layer_indices=[1],
        patch_size=8,
        num_output_channels=16,
        window_size=3,
        image_shape=(side, side, 3),
    )


def sam() -> keras.Model:
    """The whole of SAM, which is also told points, boxes and masks."""
    prompts = keras_hub.layers.SAMPromptEncoder(
        hidden_size=16, image_embedding_size=(8, 8), input_image_size=SHAPE[:2], mask_in_channels=16
    )
    decoder = keras_hub.layers.SAMMaskDecoder(
        num_layers=2,
        hidden_size=16,
        intermediate_dim=32,
        num_heads=2,
        embedding_dim=16,
        num_multimask_outputs=3,
        iou_head_depth=3,
        iou_head_hidden_dim=8,
    )
    backbone = models.SAMBackbone(vit_det(), prompts, decoder, dtype="float32")
    return models.SAMImageSegmenter(backbone)


PROMPTS = {
    "points": np.full((1, 2), 20.0),
    "labels": np.ones(1),
    "boxes": np.array([[[10.0, 10.0], [50.0, 50.0]]]),
    "masks": np.ones((1, 32, 32, 1)),
}


def depth_anything() -> keras.Model:
    """Depth from the blocks of DINOv2."""
    encoder = models.DINOV2Backbone(
        patch_size=14,
        num_layers=4,
        hidden_dim=32,
        num_heads=2,
        intermediate_dim=64,
        image_shape=(112, 112, 3),
        position_embedding_shape=(98, 98),
        apply_layernorm=True,
    )
    backbone = models.DepthAnythingBackbone(
        image_encoder=encoder,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_dims=[8, 8, 16, 16],
        fusion_hidden_dim=16,
        head_hidden_dim=8,
        head_in_index=-1,
        feature_keys=["stage1", "stage2", "stage3", "stage4"],
    )
    return models.DepthAnythingDepthEstimator(backbone, "relative")


def basnet() -> keras.Model:
    """A segmenter that refines its own output; it takes the real ResNet-18 alone."""
    encoder = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[2, 2, 2, 2],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="basic_block",
    )
    backbone = models.BASNetBackbone(encoder, num_classes=1, image_shape=SHAPE)
    return models.BASNetImageSegmenter(backbone)


def retinanet() -> keras.Model:
    """A detector with anchors."""
    encoder = resnet(image_shape=(128, 128, 3))
    backbone = models.RetinaNetBackbone(
        image_encoder=encoder, min_level=3, max_level=4, use_p5=False, image_shape=(128, 128, 3)
    )
    return models.RetinaNetObjectDetector(backbone, CLASSES, pre_logits_num_conv_layers=1)


def d_fine() -> keras.Model:
    """A detector with queries."""
    encoder = models.HGNetV2Backbone(
        stem_channels=[3, 8, 8],
        stackwise_stage_filters=[
            [8, 8, 32, 1, 3, 3],
            [32, 16, 32, 1, 3, 3],
            [32, 16, 64, 1, 3, 3],
            [64, 16, 64, 1, 3, 3],
        ],
        apply_downsample=[False, True, True, True],
        use_lightweight_conv_block=[False, False, True, True],
        depths=[1, 1, 1, 1],
        hidden_sizes=[32, 32, 64, 64],
        embedding_size=8,
        use_learnable_affine_block=True,
        hidden_act="relu",
        image_shape=(128, 128, 3),
        out_features=["stage3", "stage4"],
    )
    backbone = models.DFineBackbone(
        backbone=encoder,
        decoder_in_channels=[32, 32],
        encoder_hidden_dim=32,
        num_denoising=0,
        num_labels=CLASSES,
        hidden_dim=32,
        learn_initial_query=False,
        num_queries=6,
        anchor_image_size=(128, 128),
        feat_strides=[16, 32],
        num_feature_levels=2,
        encoder_in_channels=[64, 64],
        encode_proj_layers=[1],
        num_attention_heads=2,
        encoder_ffn_dim=64,
        num_encoder_layers=1,
        hidden_expansion=0.5,
        depth_multiplier=0.5,
        eval_idx=-1,
        num_decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=64,
        decoder_n_points=[3, 3],
        lqe_hidden_dim=16,
        num_lqe_layers=2,
        out_features=["stage3", "stage4"],
        image_shape=(128, 128, 3),
    )
    return models.DFineObjectDetector(backbone, CLASSES)


def parseq() -> keras.Model:
    """A reader of text, which is also told the text so far."""
    encoder = models.ViTBackbone(
        image_shape=(32, 64, 3),
        patch_size=(8, 8),
        num_layers=2,
        num_heads=2,
        hidden_dim=32,
        mlp_dim=64,
        use_class_token=False,
    )
    return models.PARSeqBackbone(
        image_encoder=encoder,
        vocabulary_size=20,
        max_label_length=5,
        decoder_hidden_dim=32,
        num_decoder_layers=1,
        num_decoder_heads=2,
        decoder_mlp_dim=64,
    )


def video_prism() -> keras.Model:
    """A transformer of videos."""
    return models.VideoPrismBackbone(
        num_frames=2,
        patch_size=16,
        hidden_dim=32,
        intermediate_dim=64,
        num_heads=2,
        num_spatial_layers=1,
        num_temporal_layers=1,
        num_auxiliary_layers=0,
        image_shape=SHAPE,
    )


def mobilenet_with_attention() -> keras.Model:
    """Blocks of attention whose keys have a stride, or not."""
    backbone = models.MobileNetV5Backbone(
        stackwise_block_types=[["er"], ["uir", "mqa", "mqa"]],
        stackwise_num_blocks=[1, 3],
        stackwise_num_filters=[[24], [48, 48, 48]],
        stackwise_strides=[[2], [2, 1, 1]],
        stackwise_act_layers=[["relu"], ["relu", "relu", "relu"]],
        stackwise_exp_ratios=[[4.0], [6.0, 0.0, 0.0]],
        stackwise_se_ratios=[[0.0], [0.0, 0.0, 0.0]],
        stackwise_dw_kernel_sizes=[[0], [5, 3, 3]],
        stackwise_dw_start_kernel_sizes=[[0], [0, 0, 0]],
        stackwise_dw_end_kernel_sizes=[[0], [0, 0, 0]],
        stackwise_exp_kernel_sizes=[[3], [0, 0, 0]],
        stackwise_pw_kernel_sizes=[[1], [0, 0, 0]],
        stackwise_num_heads=[[0], [0, 2, 2]],
        stackwise_key_dims=[[0], [0, 16, 16]],
        stackwise_value_dims=[[0], [0, 16, 16]],
        stackwise_kv_strides=[[0], [0, 2, 1]],
        stackwise_use_cpe=[[False], [False, False, False]],
        use_msfa=False,
        image_shape=SHAPE,
    )
    return models.MobileNetV5ImageClassifier(backbone, CLASSES, head_hidden_size=64)


def in_integers() -> keras.Model:
    """Kernels of 8 bits."""
    found = vit()
    found.quantize("int8")
    return found


def with_low_rank() -> keras.Model:
    """Kernels with what was trained beside them, LoRA."""
    found = vit()
    found.backbone.enable_lora(4)
    return found


def with_fused_attention() -> keras.Model:
    """Attention that Keras computes by a kernel without scores where its backend has one."""
    keras.config.enable_flash_attention()
    try:
        return vit(attention_dropout=0.0)
    finally:
        keras.config.disable_flash_attention()


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
    "MobileNet V5 with attention": mobilenet_with_attention,
    "MiT": lambda: classifier(mit_backbone()),
    "Swin": swin,
    "Swin, windows and padding": lambda: swin(120),
    "ViT": vit,
    "ViT, mean of tokens": lambda: vit(head={"pooling": "gap"}),
    "ViT, no class token": lambda: vit(head={"pooling": "gap"}, use_class_token=False),
    "ViT, channels first": lambda: vit(image_shape=(3, 64, 48), data_format="channels_first"),
    "ViT, dropout": lambda: vit(head={"dropout": 0.1}, dropout_rate=0.1, attention_dropout=0.1),
    "ViT, flash attention": with_fused_attention,
    "ViT, mixed_float16": lambda: vit(dtype="mixed_float16"),
    "ViT, bfloat16": lambda: vit(dtype="bfloat16"),
    "ViT, int8": in_integers,
    "ViT, LoRA": with_low_rank,
    "DeiT": deit,
    "DINOv2": dinov2,
    "DINOv2, gated": lambda: dinov2(use_swiglu_ffn=True),
    "DINOv3": dinov3,
    "CLIP, image": lambda: image_tower(models.CLIPVisionEncoder),
    "CLIP, image, an inner block": lambda: image_tower(
        models.CLIPVisionEncoder, intermediate_output_index=0
    ),
    "MetaCLIP 2, image": lambda: image_tower(MetaCLIP2VisionEncoder),
    "SigLIP, image": lambda: image_tower(models.SigLIPVisionEncoder),
    "BLIP-2, image": blip2_tower,
    "SAM, image (ViTDet)": vit_det,
    "SAM": sam,
    "DeepLabV3+": deeplab,
    "SegFormer": segformer,
    "BASNet": basnet,
    "Depth Anything": depth_anything,
    "RetinaNet, classes": retinanet,
    "RetinaNet, boxes": retinanet,
    "D-FINE": d_fine,
    "PARSeq": parseq,
    "VideoPrism": video_prism,
}

OPENED: dict[str, dict[str, Any]] = {
    "CLIP, image, an inner block": {"output": "intermediate_output"},
    "SAM": {"input": "images", "fixed": PROMPTS, "output": "masks"},
    "RetinaNet, classes": {"output": "cls_logits"},
    "RetinaNet, boxes": {"output": "bbox_regression"},
    "D-FINE": {"output": "logits"},
    "PARSeq": {
        "input": "images",
        "fixed": {"token_ids": np.arange(1, 6), "padding_mask": np.ones(5)},
    },
}
"""What is chosen of a model with several inputs or outputs."""

CHANNELS_LAST = {
    "ResNet, channels first": "ResNet",
    "ViT, channels first": "ViT",
}
"""The same networks for channels last, which run on every backend."""

TOLERANCES = {"mixed_float16": 1e-2, "bfloat16": 5e-2, "int8": 1e-5}
"""Of the largest value, for what computes in fewer bits."""


def with_noise(model: keras.Model, seed: int = 0) -> keras.Model:
    """The model with random values also where it starts with zeros or ones, such as positions."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        is_number = "float" in str(weight.dtype) and "seed" not in weight.path
        if not is_number or weight.path.endswith("scale"):
            continue
        if weight.name in ("moving_variance", "gamma", "lambda1"):
            weight.assign(draw.uniform(0.5, 1.5, weight.shape))
        else:
            values = np.asarray(weight.numpy(), np.float32)
            if len(weight.shape) < 2 or values.std() < 0.05:
                values = values + draw.normal(0, 0.3, weight.shape) / max(1, len(weight.shape) - 1)
            weight.assign(values)
    return model
