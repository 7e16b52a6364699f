"""The results of this package: a TFDS data set, classic TFRecords, image files, indexes."""
