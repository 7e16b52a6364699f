"""A small model with dropout in place of the one that is called `small`; and as a program, a training of it that is killed.

python tests/support/dropout.py PREPARED OUT
"""

import os
import signal
import sys

import keras

from ilsvrc_tfds import training
from ilsvrc_tfds.training import models

RECIPE = training.Recipe(model="small", image_size=32, epochs=3, batch_size=8, warmup_epochs=1, shuffle_buffer=16)


def network(images, num_classes: int):
    """Returns the logits of a small network, of whose features half are left out at random in training."""
    features = keras.layers.Conv2D(16, 3, strides=4)(keras.layers.Rescaling(1 / 255)(images))
    features = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(features))
    return keras.layers.Dense(num_classes)(keras.layers.GlobalAveragePooling2D()(features))


class Kill(keras.callbacks.Callback):
    """SIGKILL in the third step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    models._small = network
    keras.callbacks.LambdaCallback = lambda **_: Kill()
    training.train(*sys.argv[1:], RECIPE)
