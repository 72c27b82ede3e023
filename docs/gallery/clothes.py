# %% [markdown]
# # A small network for clothes
#
# After the third tutorial (Russian): a small network is trained on Fashion-MNIST; then its kernels,
# feature maps and Grad-CAM, and feature maps and Grad-CAM of VGG16 for a photo.
#
# If Fashion-MNIST is not available, bright squares replace it; if the ImageNet weights of VGG16 are
# not available, VGG16 has random weights and the embedded network makes the pictures. The page says
# so.

# %%
from setting import either, fashion_mnist, network

import optogram as og
from optogram.render import grid, sheet

# %% [markdown]
# ## Training
#
# Two blocks of convolution, batch normalization, leaky rectifier and pooling, a dense block with
# dropout; Adam, batches of 128, 20 epochs.

# %%
clothes = fashion_mnist(most=either(60_000, 6_000, "training pictures, at most"))
names = [clothes.classes[number] for number in clothes.train_labels[:25]]
grid(list(clothes.train_images[:25]), columns=5, cell=84, labels=names)

# %%
trained = og.training.train(clothes, epochs=either(20, 2, "epochs"), batch=128)
print(f"test accuracy {trained.accuracy:.4f}")
net = og.Network(trained.model, labels=trained.classes)
print(net.summary())

# %% [markdown]
# ## Kernels of the first layer
#
# The first 15, scaled from the smallest weight to the largest.

# %%
og.kernels(net, "conv1").mosaic(filters=range(15), columns=5, cell=84)

# %% [markdown]
# ## Feature maps
#
# Test image 4, after the two convolutional rectifiers; the first 32 maps of each.

# %%
maps = og.feature_maps(net, clothes.test_images[4], ["leaky1", "leaky2"])
rows = [[one.mosaic(channels=range(32), columns=8, cell=78, cmap="gray")] for one in maps.values()]
sheet(rows, captions=list(maps))

# %% [markdown]
# ## Why this class?
#
# Grad-CAM of test image 18 at the last rectifier before pooling (the tutorial uses a layer that its
# network does not have). The class score is the softmax output; the sum over maps is rectified and
# divided by its maximum; "jet" is added to the image with factor 0.7.


# %%
def jet_added(net, picture, layer, factor, size=None):
    """Grad-CAM of the predicted class, its colors added to the image."""
    seen = og.gradcam(net, picture, layer=layer, score="probability")
    print(seen.targets[0], seen.layer, seen.values.shape)
    return seen.overlay(photo=picture, style="added", opacity=factor, size=size, bar=False)


jet_added(net, clothes.test_images[18], "leaky2", 0.7, (540, 540))

# %% [markdown]
# ## VGG16
#
# The first 64 maps, 8×8, of the last convolution of each block; shown is the second block.

# %%
photo = og.datasets.sample_photo("chelsea")
vgg16 = network("vgg16")
ends = [vgg16.model.layers[number].name for number in (2, 5, 9, 13, 17)]
maps = og.feature_maps(vgg16, photo, ends)
for name, one in maps.items():
    one.mosaic(channels=range(64), columns=8, cmap="gray").save(f"{name}.png")
    print(name, one.values.shape)
maps[ends[1]].mosaic(channels=range(64), columns=8, cell=112, cmap="gray")

# %% [markdown]
# Predictions and Grad-CAM: "jet" is added to the photo at full size, with factor 0.4.

# %%
embedded = og.load("efficientnet-lite0")
for title, one in {"VGG16": vgg16, "the embedded network": embedded}.items():
    guess = one.predict(photo, top=1)[0][0]
    print(f"{title}: {guess.label} {guess.probability:.3f}")

# %%
jet_added(vgg16, photo, "block5_conv3", 0.4)

# %%
jet_added(embedded, photo, None, 0.4)
