"""Batches of images and labels for training and evaluation, from prepared data sets and exported TFRecords.

Loads TensorFlow.

train = pipeline.for_training("ilsvrc2012/raw256", data_dir="/data/tfds", batch_size=256)
val = pipeline.for_evaluation("ilsvrc2012/raw256", data_dir="/data/tfds", batch_size=256)
model.fit(train, epochs=90, steps_per_epoch=1_281_167 // 256, validation_data=val, shuffle=False)
"""

from ilsvrc_tfds.pipeline.batches import for_evaluation, for_training
from ilsvrc_tfds.pipeline.evaluation_sets import evaluation_set
from ilsvrc_tfds.pipeline.layers import standardize_layer
from ilsvrc_tfds.pipeline.reading import source_errors
from ilsvrc_tfds.pipeline.sets import find_set
from ilsvrc_tfds.pipeline.split import Split, find_split

__all__ = [
    "Split",
    "evaluation_set",
    "find_set",
    "find_split",
    "for_evaluation",
    "for_training",
    "source_errors",
    "standardize_layer",
]
