"""Results of methods: read-only arrays with their provenance."""

from optogram.result.ablation import Ablation
from optogram.result.arithmetic import PixelArithmetic
from optogram.result.atlas import ActivationAtlas
from optogram.result.attention import Attention
from optogram.result.attribution import (
    Attribution,
    GuidedAttribution,
    IntegratedGradients,
    NoisyGradients,
    Question,
)
from optogram.result.audit import Audit
from optogram.result.base import Result, is_result, load_result
from optogram.result.check import Check
from optogram.result.comparison import side_by_side
from optogram.result.concepts import Concepts
from optogram.result.conductance import LayerConductance
from optogram.result.differences import UnitCorrelations, UnitDifferences
from optogram.result.evaluation import Evaluation
from optogram.result.factorization import Factorization
from optogram.result.fullgrad import FullGradient
from optogram.result.gradcam import GradCAM, GradCAMSteps
from optogram.result.histograms import ActivationHistograms
from optogram.result.intervention import Intervention
from optogram.result.kernels import Kernels
from optogram.result.maps import FeatureMaps, layer_by_layer
from optogram.result.maximization import Maximization
from optogram.result.occluded_maps import OccludedMaps
from optogram.result.occlusion import Occlusion
from optogram.result.relevance import Conservation, Relevance, RelevantUnits
from optogram.result.sampled import RISE, SampledAttribution, SegmentAttribution
from optogram.result.strongest import StrongestImages
from optogram.result.tcav import TCAV
from optogram.result.tokens import TokenPCA

__all__ = [
    "RISE",
    "TCAV",
    "Ablation",
    "ActivationAtlas",
    "ActivationHistograms",
    "Attention",
    "Attribution",
    "Audit",
    "Check",
    "Concepts",
    "Conservation",
    "Evaluation",
    "Factorization",
    "FeatureMaps",
    "FullGradient",
    "GradCAM",
    "GradCAMSteps",
    "GuidedAttribution",
    "IntegratedGradients",
    "Intervention",
    "Kernels",
    "LayerConductance",
    "Maximization",
    "NoisyGradients",
    "OccludedMaps",
    "Occlusion",
    "PixelArithmetic",
    "Question",
    "Relevance",
    "RelevantUnits",
    "Result",
    "SampledAttribution",
    "SegmentAttribution",
    "StrongestImages",
    "TokenPCA",
    "UnitCorrelations",
    "UnitDifferences",
    "is_result",
    "layer_by_layer",
    "load_result",
    "side_by_side",
]
