# %% [markdown]
# # Activation maximization of filters and classes
#
# After the fourth tutorial (Spanish): images that maximize filters of ResNet50V2, from noise and
# from a photo, and an image that maximizes a class, with its evolution.
#
# If ImageNet weights are not available, networks run with random weights to show shapes and
# numbers, and the embedded network makes the pictures.

# %%
import base64
from pathlib import Path

from IPython.display import HTML
from setting import either, network

import optogram as og

photo = og.datasets.sample_photo("chelsea")
embedded = og.load("efficientnet-lite0")
resnet = network("resnet50v2")

# %% [markdown]
# ## One filter
#
# Filter 51 of conv3_block4_out, 50 steps: the mean of the map without a border of 2, learning rate
# 10 with the gradient divided by its L2 norm, from noise of ±0.125. Shown around mid-gray with a
# standard deviation of 0.15, 25 pixels cropped.

# %%
LAYER = "conv3_block4_out"
climb = {
    "optimizer": "l2",
    "learning_rate": 10.0,
    "units": "network",
    "center": 0.0,
    "spread": 0.25,
}
shown = {"contrast": 0.15, "size": (224, 224)}

steps = either(50, 5, "steps", of=resnet)
target = og.Filter(LAYER, 51, border=2)
one = og.maximize(resnet, target, "tutorial", steps=steps, crop=25, **climb, **shown)
print(one.images.shape, f"score {one.history[0, 0]:.4f} at first, {one.score[0]:.4f} in the end")
one.plot()

# %% [markdown]
# ## All 512, on 8 sheets
#
# 300 steps each, 8×8 images per sheet with a margin of 5 pixels, 25 more pixels cropped.

# %%
sheets = either(8, 1, "sheets", of=resnet)
columns = either(8, 2, "filters in a row", of=resnet)
steps = either(300, 5, "steps", of=resnet)
for number in range(sheets):
    first = number * columns**2
    targets = og.Filter(LAYER, range(first, first + columns**2), border=2)
    patterns = og.maximize(resnet, targets, "tutorial", steps=steps, crop=50, **climb, **shown)
    patterns.sheet(columns, margin=5).save(f"filters_{first}.png")
    print(patterns.images.shape)

# %%
patterns.sheet(columns, margin=5)

# %% [markdown]
# The same for the embedded network:

# %%
count = either(16, 4, "filters")
targets = og.Filter("block4b_add", range(count), border=2)
og.maximize(
    embedded, targets, "tutorial", steps=either(300, 12, "steps"), crop=50, **climb, **shown
).sheet(4)

# %% [markdown]
# ## From a photo
#
# Filter 51 again, 20 steps, from a photo plus noise.

# %%
steps = either(20, 5, "steps")
for net, layer in ((resnet, LAYER), (embedded, "block4b_add")):
    target = og.Filter(layer, 51, border=2)
    dream = og.maximize(
        net, target, "tutorial", start=photo, steps=steps, crop=25, **climb, **shown
    )
    print(layer, f"score {dream.history[0, 0]:.3f} at first, {dream.score[0]:.3f} in the end")
dream.plot()

# %% [markdown]
# ## A class
#
# First the predictions for a photo. Images for VGG16 are preprocessed as in its training (the
# tutorial uses x / 127.5 − 1).

# %%
vgg16 = network("vgg16")
for name, net in {"VGG16": vgg16, "the embedded network": embedded}.items():
    print(name)
    for guess in net.predict(photo, top=3)[0]:
        print(f"  {guess.id}  {guess.label:25} {guess.probability:.5f}")

# %% [markdown]
# Class 141, redshank: its probability minus λ‖x‖²/2 with λ = 1e-6, 100 steps with learning rate
# 100, a frame every second step.

# %%
steps = either(100, 4, "steps")
climb |= {"learning_rate": 100.0, "l2": 1e-6}
redshank = og.maximize(
    vgg16, 141, "tutorial", steps=steps, frames=2, score="probability", **climb, **shown
)
print(redshank.targets[0], redshank.frames.shape, f"probability {redshank.score[0]:.4f}")

# %% [markdown]
# With the default recipe and the embedded network:

# %%
steps = either(128, 12, "steps")
bird = og.maximize(embedded, 141, steps=steps, frames=2)
bird.plot()

# %% [markdown]
# ## Evolution
#
# 5 frames per second.

# %%
bird.gif("redshank.gif", fps=5)
moving = base64.b64encode(Path("redshank.gif").read_bytes()).decode()
HTML(f'<img alt="a redshank appears" src="data:image/gif;base64,{moving}">')
