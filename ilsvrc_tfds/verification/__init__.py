"""Whether what was prepared or exported is whole and right.

    payloads    a record's features, and its image in place
    records     what is wrong with one record
    shards      what one shard holds and what is wrong with it: a worker's job
    splits      what is wrong with the records of a split together
    folders     all of a folder: `verify`
"""

from ilsvrc_tfds.verification.folders import Report, verify

__all__ = ["Report", "verify"]
