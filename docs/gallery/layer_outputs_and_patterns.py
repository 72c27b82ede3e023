# %% [markdown]
# # Feature maps and patterns of 13 layers
#
# After the first tutorial (R): the feature maps of all convolutions of VGG16 for a photo of any
# aspect ratio, the patterns that maximize their filters, and Grad-CAM of the predicted class.
#
# If the ImageNet weights of VGG16 are not available, VGG16 runs with random weights to show shapes
# and numbers, and the embedded network makes the pictures.

# %%
import time

import keras
from PIL import Image
from setting import either, network

import optogram as og

photo = og.datasets.sample_photo("chelsea")
embedded = og.load("efficientnet-lite0")
vgg16 = network("vgg16")

# %% [markdown]
# ## A network for photos of any size
#
# Without its dense layers, VGG16 takes photos of any size: here 400 pixels wide, in proportion.

# %%
headless = keras.applications.VGG16(include_top=False, weights=None)
for layer in filter(keras.layers.Layer.count_params, headless.layers):
    layer.set_weights(vgg16.model.get_layer(layer.name).get_weights())
anysize = og.Network(headless, preprocess="caffe")
x = anysize.prepare(photo, size=(None, 400))
print("prepared (BGR minus the means of ImageNet):", x.shape, f"{x.min():.0f} … {x.max():.0f}")

# %%
Image.fromarray(anysize.display(x)[0])  # and the way back

# %% [markdown]
# ## All 13 convolutions
#
# The first 40 channels of each layer, 8 per row, in the 12 colors of R's `topo.colors`.

# %%
topo = "topo.colors(12)"
convolutions = [layer.name for layer in headless.layers if isinstance(layer, keras.layers.Conv2D)]
channels = either(40, 16, "channels a layer")
for name in convolutions:
    began = time.perf_counter()
    maps = og.feature_maps(anysize, x, name)[name]
    sheet = maps.mosaic(channels=range(channels), columns=8, cell=100, cmap=topo, per_map="range")
    sheet.save(f"{name}_{channels}.png")
    print(f"{name}: {maps.values.shape}, {time.perf_counter() - began:.2f} s")

# %%
sheet  # the last of them

# %% [markdown]
# The same for an early layer of the embedded network:

# %%
maps = og.feature_maps(embedded, photo, "block2b_expand_relu6")["block2b_expand_relu6"]
maps.mosaic(channels=range(channels), columns=8, cell=100, cmap=topo, per_map="range")

# %% [markdown]
# ## The pattern of each filter
#
# Gradient ascent on the mean of a channel, as in the tutorial: from noise around mid-gray, 50 steps
# with learning rate 1 and the gradient divided by its root mean square. The image is as large as
# the output of the layer, which keeps deep layers cheap.

# %%
layers = convolutions[:: either(1, 12, "every n-th layer", of=vgg16)]
filters = range(either(40, 8, "filters a layer", of=vgg16))
steps = either(50, 5, "steps", of=vgg16)
for name in layers:
    began = time.perf_counter()
    patterns = og.maximize(
        anysize,
        og.Filter(name, filters),
        "tutorial",
        size=x.shape[1:3],
        as_layer=True,
        steps=steps,
    )
    patterns.sheet(8).save(f"{name}_patterns.png")
    seconds = time.perf_counter() - began
    print(
        f"{name}: {patterns.values.shape}, mean score {patterns.score.mean():.2f}, {seconds:.1f} s"
    )

# %%
targets = og.Filter("block3b_add", range(either(40, 8, "filters")))
steps = either(50, 12, "steps")
og.maximize(embedded, targets, "tutorial", size=(96, 96), steps=steps).sheet(8)

# %% [markdown]
# ## The three most probable classes, and Grad-CAM of the first
#
# The class score is the softmax output; negative values are kept (no ReLU); then the map is scaled
# to 0…1. Drawn over the photo at full size, in viridis, with opacity in 20 steps up to 70 %.

# %%
for name, net in {"VGG16": vgg16, "the embedded network": embedded}.items():
    print(name)
    for guess in net.predict(photo, top=3)[0]:
        print(f"  {guess.id}  {guess.label:20} {guess.probability:.3f}")


# %%
def heat_over_photo(net, layer=None):
    """Grad-CAM as drawn in the tutorial."""
    seen = og.gradcam(net, photo, layer=layer, rectify=False, score="probability")
    print(seen.targets[0], seen.layer, seen.values.shape)
    return seen.overlay(photo=photo, style="alpha", opacity=0.7)


heat_over_photo(vgg16, "block5_conv3")

# %%
heat_over_photo(embedded)
