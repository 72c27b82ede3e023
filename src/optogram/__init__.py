"""Pictures of what a convolutional network sees, for any Keras 3 model on any backend.

>>> import optogram as og
>>> net = og.load("efficientnet-lite0")
>>> og.gradcam(net, "cat.jpg").overlay().save("why.png")
"""

import importlib
from typing import TYPE_CHECKING, Any

from optogram.version import __version__ as __version__

if TYPE_CHECKING:
    from optogram import datasets as datasets
    from optogram import training as training
    from optogram.auditing.audit import audit as audit
    from optogram.box import Box as Box
    from optogram.errors import BackendError as BackendError
    from optogram.errors import InputError as InputError
    from optogram.errors import ModelError as ModelError
    from optogram.errors import NoGradientError as NoGradientError
    from optogram.errors import OptogramError as OptogramError
    from optogram.errors import OutputError as OutputError
    from optogram.errors import PhotoError as PhotoError
    from optogram.evaluating.evaluate import evaluate as evaluate
    from optogram.explaining.explain_all import explain_all as explain_all
    from optogram.explaining.opened import AttributionStore as AttributionStore
    from optogram.explaining.opened import MapChecks as MapChecks
    from optogram.explaining.opened import load_attributions as load_attributions
    from optogram.jobs.on_ray import Ray as Ray
    from optogram.methods.ablate import ablate as ablate
    from optogram.methods.ablationcam import ablationcam as ablationcam
    from optogram.methods.activation_atlas import activation_atlas as activation_atlas
    from optogram.methods.activation_histograms import (
        activation_histograms as activation_histograms,
    )
    from optogram.methods.ascent.recipe import RECIPES as RECIPES
    from optogram.methods.ascent.recipe import Recipe as Recipe
    from optogram.methods.ascent.recoloring import ColorJitter as ColorJitter
    from optogram.methods.ascent.recoloring import Noise as Noise
    from optogram.methods.ascent.transforms import Crop as Crop
    from optogram.methods.ascent.transforms import Jitter as Jitter
    from optogram.methods.ascent.transforms import Pad as Pad
    from optogram.methods.ascent.transforms import Rotate as Rotate
    from optogram.methods.ascent.transforms import Scale as Scale
    from optogram.methods.attention import attention as attention
    from optogram.methods.attention_rollout import attention_rollout as attention_rollout
    from optogram.methods.check import check as check
    from optogram.methods.concepts import concepts as concepts
    from optogram.methods.crp import crp as crp
    from optogram.methods.deconvnet import deconvnet as deconvnet
    from optogram.methods.eigencam import eigencam as eigencam
    from optogram.methods.eigengradcam import eigengradcam as eigengradcam
    from optogram.methods.expected_gradients import expected_gradients as expected_gradients
    from optogram.methods.factorize import factorize as factorize
    from optogram.methods.feature_map_probe import FeatureMapProbe as FeatureMapProbe
    from optogram.methods.feature_map_probe import feature_map_probe as feature_map_probe
    from optogram.methods.feature_maps import feature_maps as feature_maps
    from optogram.methods.finercam import finercam as finercam
    from optogram.methods.fullgrad import fullgrad as fullgrad
    from optogram.methods.gradcam import gradcam as gradcam
    from optogram.methods.gradcam_plus_plus import gradcam_plus_plus as gradcam_plus_plus
    from optogram.methods.gradient_times_input import gradient_times_input as gradient_times_input
    from optogram.methods.guided_backprop import guided_backprop as guided_backprop
    from optogram.methods.guided_gradcam import guided_gradcam as guided_gradcam
    from optogram.methods.guided_integrated_gradients import (
        guided_integrated_gradients as guided_integrated_gradients,
    )
    from optogram.methods.hirescam import hirescam as hirescam
    from optogram.methods.integrated_gradients import integrated_gradients as integrated_gradients
    from optogram.methods.intervene import intervene as intervene
    from optogram.methods.intervening.changes import Change as Change
    from optogram.methods.intervention_probe import InterventionProbe as InterventionProbe
    from optogram.methods.intervention_probe import intervention_probe as intervention_probe
    from optogram.methods.kernel_shap import kernel_shap as kernel_shap
    from optogram.methods.kernels import kernels as kernels
    from optogram.methods.layer_conductance import layer_conductance as layer_conductance
    from optogram.methods.layercam import layercam as layercam
    from optogram.methods.legrad import legrad as legrad
    from optogram.methods.lime import lime as lime
    from optogram.methods.lrp import lrp as lrp
    from optogram.methods.maximize import maximize as maximize
    from optogram.methods.occlusion import occlusion as occlusion
    from optogram.methods.occlusion_probe import OcclusionProbe as OcclusionProbe
    from optogram.methods.occlusion_probe import occlusion_probe as occlusion_probe
    from optogram.methods.pixel_arithmetic import pixel_arithmetic as pixel_arithmetic
    from optogram.methods.progressive_occlusion import (
        progressive_occlusion as progressive_occlusion,
    )
    from optogram.methods.relevant_units import relevant_units as relevant_units
    from optogram.methods.rise import rise as rise
    from optogram.methods.saliency import saliency as saliency
    from optogram.methods.scorecam import scorecam as scorecam
    from optogram.methods.smoothgrad import smoothgrad as smoothgrad
    from optogram.methods.sobol import sobol as sobol
    from optogram.methods.squaregrad import squaregrad as squaregrad
    from optogram.methods.strongest_images import strongest_images as strongest_images
    from optogram.methods.tcav import tcav as tcav
    from optogram.methods.token_pca import token_pca as token_pca
    from optogram.methods.transformer_attribution import (
        transformer_attribution as transformer_attribution,
    )
    from optogram.methods.unit_correlations import unit_correlations as unit_correlations
    from optogram.methods.unit_differences import unit_differences as unit_differences
    from optogram.methods.vargrad import vargrad as vargrad
    from optogram.methods.xgradcam import xgradcam as xgradcam
    from optogram.methods.xrai import xrai as xrai
    from optogram.network.network import Network as Network
    from optogram.network.opening.load import load as load
    from optogram.pictures.sources import pixels as pixels
    from optogram.reporting.atlas_page import atlas_page as atlas_page
    from optogram.reporting.report import report as report
    from optogram.result import RISE as RISE
    from optogram.result import TCAV as TCAV
    from optogram.result import Ablation as Ablation
    from optogram.result import ActivationAtlas as ActivationAtlas
    from optogram.result import ActivationHistograms as ActivationHistograms
    from optogram.result import Attention as Attention
    from optogram.result import Attribution as Attribution
    from optogram.result import Audit as Audit
    from optogram.result import Check as Check
    from optogram.result import Concepts as Concepts
    from optogram.result import Evaluation as Evaluation
    from optogram.result import Factorization as Factorization
    from optogram.result import FeatureMaps as FeatureMaps
    from optogram.result import FullGradient as FullGradient
    from optogram.result import GradCAM as GradCAM
    from optogram.result import GuidedAttribution as GuidedAttribution
    from optogram.result import IntegratedGradients as IntegratedGradients
    from optogram.result import Intervention as Intervention
    from optogram.result import Kernels as Kernels
    from optogram.result import LayerConductance as LayerConductance
    from optogram.result import Maximization as Maximization
    from optogram.result import NoisyGradients as NoisyGradients
    from optogram.result import OccludedMaps as OccludedMaps
    from optogram.result import Occlusion as Occlusion
    from optogram.result import PixelArithmetic as PixelArithmetic
    from optogram.result import Relevance as Relevance
    from optogram.result import RelevantUnits as RelevantUnits
    from optogram.result import Result as Result
    from optogram.result import SampledAttribution as SampledAttribution
    from optogram.result import SegmentAttribution as SegmentAttribution
    from optogram.result import StrongestImages as StrongestImages
    from optogram.result import TokenPCA as TokenPCA
    from optogram.result import UnitCorrelations as UnitCorrelations
    from optogram.result import UnitDifferences as UnitDifferences
    from optogram.result import layer_by_layer as layer_by_layer
    from optogram.result import load_result as load_result
    from optogram.result import side_by_side as side_by_side
    from optogram.similarity import Similarity as Similarity
    from optogram.surveying.opened import Survey as Survey
    from optogram.surveying.opened import SurveyedUnit as SurveyedUnit
    from optogram.surveying.opened import load_survey as load_survey
    from optogram.surveying.survey import survey as survey
    from optogram.target import Class as Class
    from optogram.target import Direction as Direction
    from optogram.target import Filter as Filter
    from optogram.target import Neuron as Neuron
    from optogram.target import Score as Score
    from optogram.web.explore import Explorer as Explorer
    from optogram.web.explore import explore as explore

# Module of each public name. Loaded on first use: importing optogram loads no backend.
_HOMES = {
    "Ablation": "optogram.result",
    "ActivationAtlas": "optogram.result",
    "ActivationHistograms": "optogram.result",
    "Attention": "optogram.result",
    "Attribution": "optogram.result",
    "AttributionStore": "optogram.explaining.opened",
    "Audit": "optogram.result",
    "BackendError": "optogram.errors",
    "Box": "optogram.box",
    "Change": "optogram.methods.intervening.changes",
    "Check": "optogram.result",
    "Class": "optogram.target",
    "ColorJitter": "optogram.methods.ascent.recoloring",
    "Concepts": "optogram.result",
    "Crop": "optogram.methods.ascent.transforms",
    "Direction": "optogram.target",
    "Similarity": "optogram.similarity",
    "Evaluation": "optogram.result",
    "Explorer": "optogram.web.explore",
    "Factorization": "optogram.result",
    "FeatureMapProbe": "optogram.methods.feature_map_probe",
    "FeatureMaps": "optogram.result",
    "Filter": "optogram.target",
    "FullGradient": "optogram.result",
    "GradCAM": "optogram.result",
    "GuidedAttribution": "optogram.result",
    "InputError": "optogram.errors",
    "IntegratedGradients": "optogram.result",
    "Intervention": "optogram.result",
    "InterventionProbe": "optogram.methods.intervention_probe",
    "Jitter": "optogram.methods.ascent.transforms",
    "Kernels": "optogram.result",
    "MapChecks": "optogram.explaining.opened",
    "LayerConductance": "optogram.result",
    "Maximization": "optogram.result",
    "ModelError": "optogram.errors",
    "Network": "optogram.network.network",
    "Neuron": "optogram.target",
    "Score": "optogram.target",
    "NoGradientError": "optogram.errors",
    "Noise": "optogram.methods.ascent.recoloring",
    "NoisyGradients": "optogram.result",
    "OccludedMaps": "optogram.result",
    "Occlusion": "optogram.result",
    "OptogramError": "optogram.errors",
    "OutputError": "optogram.errors",
    "Pad": "optogram.methods.ascent.transforms",
    "PhotoError": "optogram.errors",
    "PixelArithmetic": "optogram.result",
    "OcclusionProbe": "optogram.methods.occlusion_probe",
    "RISE": "optogram.result",
    "RECIPES": "optogram.methods.ascent.recipe",
    "Ray": "optogram.jobs.on_ray",
    "Recipe": "optogram.methods.ascent.recipe",
    "Relevance": "optogram.result",
    "RelevantUnits": "optogram.result",
    "Result": "optogram.result",
    "Rotate": "optogram.methods.ascent.transforms",
    "SampledAttribution": "optogram.result",
    "Scale": "optogram.methods.ascent.transforms",
    "SegmentAttribution": "optogram.result",
    "StrongestImages": "optogram.result",
    "Survey": "optogram.surveying.opened",
    "SurveyedUnit": "optogram.surveying.opened",
    "TCAV": "optogram.result",
    "TokenPCA": "optogram.result",
    "UnitCorrelations": "optogram.result",
    "UnitDifferences": "optogram.result",
    "ablate": "optogram.methods.ablate",
    "ablationcam": "optogram.methods.ablationcam",
    "activation_atlas": "optogram.methods.activation_atlas",
    "activation_histograms": "optogram.methods.activation_histograms",
    "atlas_page": "optogram.reporting.atlas_page",
    "attention": "optogram.methods.attention",
    "attention_rollout": "optogram.methods.attention_rollout",
    "audit": "optogram.auditing.audit",
    "check": "optogram.methods.check",
    "concepts": "optogram.methods.concepts",
    "crp": "optogram.methods.crp",
    "evaluate": "optogram.evaluating.evaluate",
    "eigencam": "optogram.methods.eigencam",
    "eigengradcam": "optogram.methods.eigengradcam",
    "explain_all": "optogram.explaining.explain_all",
    "explore": "optogram.web.explore",
    "factorize": "optogram.methods.factorize",
    "deconvnet": "optogram.methods.deconvnet",
    "expected_gradients": "optogram.methods.expected_gradients",
    "feature_map_probe": "optogram.methods.feature_map_probe",
    "feature_maps": "optogram.methods.feature_maps",
    "finercam": "optogram.methods.finercam",
    "fullgrad": "optogram.methods.fullgrad",
    "gradcam": "optogram.methods.gradcam",
    "gradcam_plus_plus": "optogram.methods.gradcam_plus_plus",
    "gradient_times_input": "optogram.methods.gradient_times_input",
    "guided_backprop": "optogram.methods.guided_backprop",
    "guided_gradcam": "optogram.methods.guided_gradcam",
    "hirescam": "optogram.methods.hirescam",
    "guided_integrated_gradients": "optogram.methods.guided_integrated_gradients",
    "integrated_gradients": "optogram.methods.integrated_gradients",
    "intervene": "optogram.methods.intervene",
    "intervention_probe": "optogram.methods.intervention_probe",
    "kernel_shap": "optogram.methods.kernel_shap",
    "kernels": "optogram.methods.kernels",
    "layer_by_layer": "optogram.result",
    "layer_conductance": "optogram.methods.layer_conductance",
    "layercam": "optogram.methods.layercam",
    "legrad": "optogram.methods.legrad",
    "lime": "optogram.methods.lime",
    "load": "optogram.network.opening.load",
    "load_attributions": "optogram.explaining.opened",
    "load_result": "optogram.result",
    "load_survey": "optogram.surveying.opened",
    "lrp": "optogram.methods.lrp",
    "maximize": "optogram.methods.maximize",
    "occlusion": "optogram.methods.occlusion",
    "occlusion_probe": "optogram.methods.occlusion_probe",
    "pixel_arithmetic": "optogram.methods.pixel_arithmetic",
    "pixels": "optogram.pictures.sources",
    "progressive_occlusion": "optogram.methods.progressive_occlusion",
    "relevant_units": "optogram.methods.relevant_units",
    "report": "optogram.reporting.report",
    "rise": "optogram.methods.rise",
    "saliency": "optogram.methods.saliency",
    "scorecam": "optogram.methods.scorecam",
    "side_by_side": "optogram.result",
    "smoothgrad": "optogram.methods.smoothgrad",
    "squaregrad": "optogram.methods.squaregrad",
    "sobol": "optogram.methods.sobol",
    "strongest_images": "optogram.methods.strongest_images",
    "survey": "optogram.surveying.survey",
    "tcav": "optogram.methods.tcav",
    "token_pca": "optogram.methods.token_pca",
    "transformer_attribution": "optogram.methods.transformer_attribution",
    "unit_correlations": "optogram.methods.unit_correlations",
    "unit_differences": "optogram.methods.unit_differences",
    "xgradcam": "optogram.methods.xgradcam",
    "vargrad": "optogram.methods.vargrad",
    "xrai": "optogram.methods.xrai",
}
_ROOMS = {
    "datasets": "optogram.datasets",
    "rules": "optogram.interpreters.relevance.rules",
    "training": "optogram.training",
}
_WITHOUT_KERAS = tuple(
    f"optogram.{home}"
    for home in ("errors", "explaining.opened", "pictures", "result", "surveying.opened")
)
_NEED_KERAS = frozenset(
    ["rules", "training"]
    + [name for name, home in _HOMES.items() if not home.startswith(_WITHOUT_KERAS)]
)

__all__ = sorted([*_HOMES, *_ROOMS])


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'optogram' has no attribute {name!r}{_near(name)}")
    if name in _NEED_KERAS:
        # Before Keras is imported, which would raise its own error for a missing backend.
        importlib.import_module("optogram.backend").current()
    if name in _ROOMS:
        return importlib.import_module(_ROOMS[name])
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def _near(name: str) -> str:
    """The public name that a mistyped one may mean, such as gradcam for GradCam or grad_cam."""
    import difflib

    plain = {known.lower().replace("_", ""): known for known in __all__}
    near = difflib.get_close_matches(name.lower().replace("_", ""), plain, 1)
    return f": did you mean {plain[near[0]]!r}?" if near and not name.startswith("_") else ""


def __dir__() -> list[str]:
    return [*globals(), *__all__]
