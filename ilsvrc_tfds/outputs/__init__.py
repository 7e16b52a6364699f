"""What the user gets: a TFDS data set, classic TFRecords, image files, indexes."""
