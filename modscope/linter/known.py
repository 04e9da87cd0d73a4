"""Classes known by name, since nothing is imported: those of torch.nn, and the Module bases of other packages."""

from __future__ import annotations

import re
from enum import StrEnum


class Kind(StrEnum):
    """What calling a name makes, as far as registration is concerned."""

    WEIGHTED = "weighted"  # a Module with parameters, its own or its children's, or not proved to have none
    STATELESS = "stateless"  # a Module that holds nothing: an activation, a loss, a pool
    CONTAINER = "container"  # a Module that registers what it is given: ModuleList, Sequential, ParameterDict
    PARAMETER = "parameter"  # an nn.Parameter
    OTHER = "other"  # certainly none of these


MODULE_KINDS = frozenset({Kind.WEIGHTED, Kind.STATELESS, Kind.CONTAINER})

_CONTAINERS = "Sequential ModuleList ModuleDict ParameterList ParameterDict"
_PARAMETERS = "Parameter UninitializedParameter"
_WEIGHTED = """
    Module Linear Bilinear LazyLinear Embedding EmbeddingBag NonDynamicallyQuantizableLinear
    Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d
    BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d
    InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d
    LayerNorm GroupNorm RMSNorm RNN LSTM GRU RNNBase RNNCell LSTMCell GRUCell RNNCellBase
    Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer
    MultiheadAttention PReLU AdaptiveLogSoftmaxWithLoss DataParallel
    _ConvNd _ConvTransposeNd _NormBase _BatchNorm _LazyNormBase _InstanceNorm _LazyConvXdMixin
"""
_STATELESS = """
    Identity Flatten Unflatten Fold Unfold ChannelShuffle PixelShuffle PixelUnshuffle Upsample
    UpsamplingNearest2d UpsamplingBilinear2d CosineSimilarity PairwiseDistance
    ELU Hardshrink Hardsigmoid Hardtanh Hardswish LeakyReLU LogSigmoid ReLU ReLU6 RReLU SELU CELU GELU Sigmoid SiLU
    Mish Softplus Softshrink Softsign Tanh Tanhshrink Threshold GLU Softmin Softmax Softmax2d LogSoftmax
    Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout LocalResponseNorm CrossMapLRN2d
    MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d AvgPool2d AvgPool3d
    FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d LPPool3d
    AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d
    ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d
    ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d CircularPad1d CircularPad2d CircularPad3d
    L1Loss NLLLoss NLLLoss2d PoissonNLLLoss GaussianNLLLoss KLDivLoss MSELoss BCELoss BCEWithLogitsLoss
    HingeEmbeddingLoss MultiLabelMarginLoss SmoothL1Loss HuberLoss SoftMarginLoss CrossEntropyLoss
    MultiLabelSoftMarginLoss CosineEmbeddingLoss MarginRankingLoss MultiMarginLoss TripletMarginLoss
    TripletMarginWithDistanceLoss CTCLoss
    _Loss _WeightedLoss _MaxPoolNd _AvgPoolNd _MaxUnpoolNd _LPPoolNd _AdaptiveMaxPoolNd _AdaptiveAvgPoolNd _DropoutNd
    _ConstantPadNd _ReflectionPadNd _ReplicationPadNd _CircularPadNd
"""
TORCH_NN: dict[str, Kind] = {
    f"torch.nn.{name}": kind
    for names, kind in (
        (_CONTAINERS, Kind.CONTAINER),
        (_PARAMETERS, Kind.PARAMETER),
        (_WEIGHTED, Kind.WEIGHTED),
        (_STATELESS, Kind.STATELESS),
    )
    for name in names.split()
}

# Module bases of packages that a project inherits from; `known-module-bases` in the configuration adds to them.
_MODULE_BASES = """
    lightning.LightningModule lightning.pytorch.LightningModule lightning.pytorch.core.LightningModule
    lightning.pytorch.core.module.LightningModule lightning.fabric.wrappers._FabricModule
    pytorch_lightning.LightningModule pytorch_lightning.core.LightningModule
    pytorch_lightning.core.lightning.LightningModule pytorch_lightning.core.module.LightningModule
    transformers.PreTrainedModel transformers.modeling_utils.PreTrainedModel
    torch_geometric.nn.MessagePassing torch_geometric.nn.conv.MessagePassing
    torch_geometric.nn.conv.message_passing.MessagePassing torch_geometric.nn.aggr.Aggregation
    torchmetrics.Metric torchmetrics.metric.Metric
    pyro.nn.PyroModule pyro.nn.module.PyroModule pyro.contrib.gp.parameterized.Parameterized
    gpytorch.Module gpytorch.module.Module gpytorch.kernels.Kernel gpytorch.means.Mean gpytorch.models.GP
    gpytorch.models.ExactGP gpytorch.models.ApproximateGP gpytorch.likelihoods.Likelihood
    mmengine.model.BaseModule mmengine.model.base_module.BaseModule mmengine.model.BaseModel
    mmcv.runner.BaseModule mmcv.runner.base_module.BaseModule
    detectron2.modeling.Backbone detectron2.modeling.backbone.Backbone detectron2.modeling.backbone.backbone.Backbone
    stable_baselines3.common.torch_layers.BaseFeaturesExtractor
    fairseq.models.BaseFairseqModel fairseq.models.FairseqEncoder fairseq.models.FairseqDecoder
    fairseq.models.FairseqEncoderDecoderModel fairseq.models.FairseqIncrementalDecoder
    fairseq.models.FairseqLanguageModel fairseq.models.FairseqEncoderModel
    diffusers.ModelMixin diffusers.models.ModelMixin diffusers.models.modeling_utils.ModelMixin
    allennlp.models.Model allennlp.modules.Seq2SeqEncoder flair.nn.Model
    sentence_transformers.SentenceTransformer
    torchvision.models.ResNet torchvision.models.resnet.ResNet torchvision.models.VGG
    timm.models.vision_transformer.VisionTransformer timm.models.resnet.ResNet
    monai.networks.nets.UNet monai.networks.nets.BasicUNet
    segmentation_models_pytorch.base.SegmentationModel
"""
MODULE_BASES = frozenset(_MODULE_BASES.split())

# What makes a class of named tuples -> the name that such a class goes by.
NAMED_TUPLES = {name: f"{name}()" for name in ("collections.namedtuple", "typing.NamedTuple")}

# Functions of other packages that return a Module with weights: every name below these.
_FACTORIES = ("torchvision.models.", "timm.create_model", "torch.hub.load", "transformers.AutoModel")


# Packages in which every class is a Module, or as good as every one.
_PACKAGES = """
    torch_geometric.nn torch_geometric_temporal.nn dgl.nn dgllife.model torchcrf torchaudio.models
    torchvision.ops timm.layers timm.models segmentation_models_pytorch efficientnet_pytorch spconv.pytorch
    monai.networks mmcv.cnn mmcv.ops mmdet.models detectron2.layers detectron2.modeling fairseq.modules
    gpytorch.kernels gpytorch.means gpytorch.likelihoods allennlp.modules x_transformers performer_pytorch
"""
_LIBRARIES = tuple(f"{name}." for name in _PACKAGES.split())


# Those of their classes that hold nothing, by their looks.
_HOLDS_NOTHING = re.compile(
    r"\w*(Loss|Dropout|Identity|Swish|Mish|JumpingKnowledge)|(Drop|StochasticDepth)\w*|\w*[Rr][Oo][Ii](Align|Pool)\w*"
    r"|(Sum|Mean|Avg|Average|Max|Min|Mul|Var|Std|Median|Sort)(Pool\w*|Aggregation)"
)


def kind_in_library(name: str) -> Kind | None:
    """What calling a full name that leads to no file makes, where it looks like a Module class of a known package."""
    last = name.rpartition(".")[2]
    if name.startswith("transformers."):
        return Kind.WEIGHTED if last.endswith("Model") and not last.startswith(("TF", "Flax")) else None
    if not name.startswith(_LIBRARIES) or not last[:1].isupper() or ("_" in last and last.isupper()):
        return None
    return Kind.STATELESS if _HOLDS_NOTHING.fullmatch(last) else Kind.WEIGHTED


def canonical(name: str) -> str:
    """The public name of a class of torch.nn that was reached through the module that defines it."""
    for prefix in ("torch.nn.modules.", "torch.nn.parameter."):
        if name.startswith(prefix) and (public := f"torch.nn.{name.rpartition('.')[2]}") in TORCH_NN:
            return public
    return name


def kind_by_name(name: str) -> Kind | None:
    """What calling a full name makes, for names that are known without reading a file."""
    if name in TORCH_NN:
        return TORCH_NN[name]
    if name.startswith("builtins.") or (name.startswith("torch.") and not name.startswith(_MAY_MAKE_MODULES)):
        return Kind.OTHER
    if name.startswith(_FACTORIES) and name.rpartition(".")[2] not in _NO_FACTORIES:
        return Kind.WEIGHTED
    return None


_MAY_MAKE_MODULES = (
    "torch.nn.modules.",
    "torch.nn.parameter.",
    "torch.nn.utils.",
    "torch.ao.",
    "torch.jit.",
    "torch.hub.",
)
_NO_FACTORIES = frozenset({"get_model_weights", "get_weight", "list_models"})
