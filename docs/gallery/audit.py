# %% [markdown]
# # Audit: is it the bag, or the mark on it?
#
# A small network is trained on Fashion-MNIST, where nearly all bags have a mark in a corner, as
# photos from one supplier may have. The audit finds what the network learned from it.
#
# If Fashion-MNIST is not available, bright squares replace it; the page says so.

# %%
from setting import either, fashion_mnist, marked_clothes

import optogram as og
from optogram.render import grid

clothes = fashion_mnist(most=either(60_000, 4_000, "training pictures, at most"))
tested = either(10_000, 600, "test pictures, at most")
MARKED = clothes.classes.index("Bag")
marked = marked_clothes(clothes, MARKED, tested)
grid(list(marked.test_images[marked.test_labels == MARKED][:10]), columns=10, cell=84)

# %% [markdown]
# ## Training and audit

# %%
epochs = either(10, 2, "epochs")
trained = og.training.train(marked, epochs=epochs)
net = og.Network(trained.model, labels=trained.classes)
found = og.audit(net, marked.test_images, truth=marked.test_labels)
print(found.sentence)

# %% [markdown]
# The regions that were tested, with the numbers of the test: the share of images of other classes
# that become this class when the region is pasted on them, and the same with a piece from elsewhere
# and with the region of other images.

# %%
for suspect in found.suspects[:4]:
    where = ", ".join(f"{side:.0%}" for side in suspect.region)
    print(f"{found.labels[suspect.of_class]}, top, left, bottom, right: {where}")
    print(f"  pasted: {suspect.flipped}")
    print(f"  controls: {suspect.flipped_elsewhere}; {suspect.flipped_others}")
    print(f"  {found.verdict(suspect)}")

# %% [markdown]
# Mean explanations of each class, and of its clusters:

# %%
found.plot()

# %% [markdown]
# Labels that confident learning suspects: the label, and the class that the image is counted in.

# %%
suspected = found.suspected_labels[:20]
names = [f"{found.labels[one.given]}: {found.labels[one.suggested]}?" for one in suspected]
grid([marked.test_images[one.photo] for one in suspected], columns=5, cell=128, labels=names)

# %% [markdown]
# ## The same network without the mark
#
# On images without the mark, nothing is claimed, and fewer bags are recognized.

# %%
without = og.audit(net, clothes.test_images[:tested], truth=clothes.test_labels[:tested])
print(without.sentence)
print(f"bags with the mark: {found.class_accuracy[MARKED]}")
print(f"bags without it: {without.class_accuracy[MARKED]}")
