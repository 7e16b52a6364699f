"""One of several processes of JAX that train and evaluate together, on loopback. Prints a JSON object.

    KERAS_BACKEND=jax KERAS_DISTRIBUTION_… python tests/support/host_worker.py PREPARED OUT [EPOCH STEP]

With EPOCH and STEP, the process kills itself at that moment.
"""

import dataclasses
import json
import logging
import os
import signal
import sys

import keras
import many_devices

from ilsvrc_tfds import training

RECIPE = dataclasses.replace(many_devices.RECIPE, epochs=3)


def main(data: str, out: str, *moment: int) -> dict:
    class Watch(keras.callbacks.Callback):
        """Notes the losses, of which all hosts have the same."""

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            losses.append(float(logs["loss"]))
            if moment == (self.epoch, batch):
                os.kill(os.getpid(), signal.SIGKILL)

    losses, fit = [], keras.Model.fit
    keras.Model.fit = lambda *arguments, callbacks, **options: fit(
        *arguments, callbacks=[Watch(), *callbacks], **options
    )
    training.train(data, out, RECIPE, backup_every=2)
    return {"losses": losses, "scores": training.evaluate(data, out, batch_size=10)}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    print(json.dumps(main(*sys.argv[1:3], *map(int, sys.argv[3:]))), flush=True)
