"""What methods return: arrays that do not change any more, and where they came from."""

from optogram.result.attribution import (
    Attribution,
    GradCAM,
    GradCAMSteps,
    GuidedAttribution,
    IntegratedGradients,
    Occlusion,
    Question,
)
from optogram.result.base import Result, load_result
from optogram.result.maps import FeatureMaps, Kernels

__all__ = [
    "Attribution",
    "FeatureMaps",
    "GradCAM",
    "GradCAMSteps",
    "GuidedAttribution",
    "IntegratedGradients",
    "Kernels",
    "Occlusion",
    "Question",
    "Result",
    "load_result",
]
