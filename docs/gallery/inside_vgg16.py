# %% [markdown]
# # Inside VGG16: layers, weights, and five explanations
#
# After the second tutorial (Chinese): the network as a table, kernels, activation maximization,
# occlusion, saliency, Grad-CAM and feature maps.
#
# If the ImageNet weights of VGG16 are not available, VGG16 runs with random weights to show shapes
# and numbers, and the embedded network makes the pictures.

# %%
from setting import either, network

import optogram as og
from optogram.render import heatmap, mosaic, sheet

photo = og.datasets.sample_photo("chelsea")
embedded = og.load("efficientnet-lite0")
vgg16 = network("vgg16")

# %% [markdown]
# ## The network as a table

# %%
print(vgg16.summary())

# %% [markdown]
# ## Configuration and weights of each layer

# %%
settings = {layer.name: layer.config for layer in vgg16.layers}
weights = {layer.name: layer.weights for layer in vgg16.layers}
for key in ("filters", "kernel_size", "padding", "activation"):
    print(key, settings["block5_conv1"][key])
print([part.shape for part in weights["block5_conv1"]], vgg16["block5_conv1"].trainable)

# %% [markdown]
# ## Kernels
#
# The first filter of the first convolution of each block, input channel 0.

# %%
names = [f"block{block}_conv1" for block in range(1, 6)]
kernels = [og.kernels(vgg16, name).values[:, :, 0, 0] for name in names]
mosaic(kernels, columns=5, cell=120, cmap="gray", labels=names)

# %%
og.kernels(embedded, "stem_conv").mosaic(columns=8, cell=64)

# %% [markdown]
# ## Activation maximization: Indian elephant
#
# The score is the logit of class 385, before the softmax.

# %%
steps = either(5000, 16, "iterations")
quarters = set()


def say(done, total, what):
    """Print progress at each quarter."""
    quarter = 4 * done // total
    if quarter not in quarters:
        quarters.add(quarter)
        print(f"{done} of {total} {what}")


elephant = og.maximize(embedded, 385, steps=steps, progress=say)
elephant.plot()

# %%
elephant.trajectories()

# %% [markdown]
# ## Occlusion
#
# 16×16 patches of 14 pixels; the patch and 28 pixels around it are filled with 0.5 in network
# units. The mask is True where the probability with the patch is below 0.85 of its maximum.

# %%
occlusion = og.occlusion(
    embedded,
    photo,
    patch=14,
    stride=14,
    margin=28,
    fill=0.5,
    fill_space="network",
    score="probability",
)
print(occlusion.targets[0], occlusion.scores.shape, f"{occlusion.score[0]:.2f} without a patch")
occlusion.heat(of="scores", size=(224, 224), title="probability with the patch there")

# %%
occlusion.through_mask(0.85, photo=photo, of="scores")

# %% [markdown]
# ## Saliency, and guided backpropagation
#
# For the predicted class: its logit, the largest magnitude over channels, in "jet".

# %%
methods = (og.saliency, og.guided_backprop)
for method in methods:
    print(method.__name__, method(vgg16, photo).values.shape, "of VGG16")
found = [method(embedded, photo) for method in methods]
drawn = [heatmap(one.heatmap[0], scale=one.scale(), cmap="jet") for one in found]
sheet([drawn], titles=[one.method for one in found])

# %% [markdown]
# ## Grad-CAM in four stages

# %%
stages = og.gradcam(vgg16, photo, layer="block5_conv3").steps
print("1 maps", stages.maps.shape)
print("2 gradients", stages.gradients.shape)
print("3 weights, the mean of each map's gradients", stages.weights.shape)
print("4 weights × maps, summed", stages.sum.shape)

# %%
og.gradcam(embedded, photo).steps.plot()

# %% [markdown]
# ## Feature maps of four layers
#
# Five channels each, in one figure, each map scaled from its minimum to its maximum.


# %%
def figure(net, layers):
    """The first five maps of each layer, one row per layer."""
    return og.layer_by_layer(og.feature_maps(net, photo, layers), range(5))


figure(vgg16, ["block1_conv1", "block2_conv1", "block3_conv1", "block4_conv2"])

# %%
figure(embedded, ["stem_relu6", "block2b_expand_relu6", "block3b_add", "block4b_add"])
