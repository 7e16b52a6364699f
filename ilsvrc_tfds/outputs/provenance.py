"""The record of how a data set was made, which TFDS stores as `metadata.json`."""

import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.images import codec_versions, describe_op
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.shards.plan import SplitPlan
from ilsvrc_tfds.shards.writer import Receipt
from ilsvrc_tfds.sources import Index, Members
from ilsvrc_tfds.sources.completeness import missing_splits, shortfalls

# Keys of `source_images`: the digest of all images of a split, or of those that `max_examples` takes.
DIGEST, DIGEST_OF_TAKEN = "digest", "digest_of_taken"

if TYPE_CHECKING:
    from ilsvrc_tfds.outputs.data_set import Options


def provenance(
    index: Index, options: "Options", plans: Iterable[SplitPlan], receipts: Mapping[str, list[Receipt]]
) -> dict[str, object]:
    """Returns a record of how the data was made, in JSON's types, for `metadata.json`.

    | key | value |
    |---|---|
    | `ilsvrc_tfds`, `codecs` | versions of this package and of the image libraries |
    | `images` | operation on each image |
    | `source_layout` | layout of the source, in words |
    | `repaired_images` | if there are any: images of each split that the source has in another form than the archives |
    | `converted_images` | if there are any: CMYK JPEGs and PNGs of each split that became RGB JPEGs, not resized |
    | `source_images` | number and digest of the images of each split, for `comparison`; of the taken ones alone if \
they were limited, as the sizes of the others may not be known |
    | `subset` | if it is one: the number of classes and images in its lists, and their digests |
    | `complete` | whether at least train and val are whole; of a subset, whether all of it is there |
    | `missing` | what is missing of each wanted split, in words |
    | `skipped_images` | damaged images that were left out: reasons by split and file name |
    | `splits`, `max_examples_per_split` | the options |
    | `changed_images` | number of images of each split whose bytes differ from the source |

    Args:
      index: Index of the splits that were used.
      options: Options of the preparation.
      plans: Plans of the splits.
      receipts: Receipts of the shards of each split.
    """
    missing = {**dict.fromkeys(missing_splits(index, options.splits), "all images"), **shortfalls(index)}
    is_whole = not missing and index.splits.keys() >= set(hdf5.SPLITS)
    skipped = all_skipped(index, receipts)
    return {
        "ilsvrc_tfds": importlib.metadata.version("ilsvrc-tfds"),
        "images": describe_op(options.op),
        "codecs": codec_versions(),
        "source_layout": index.layout,
        "source_images": {
            plan.members.split: {
                "images": len(plan.members),
                DIGEST if options.max_examples is None else DIGEST_OF_TAKEN: plan.planned_members().digest(),
            }
            for plan in plans
        },
        **({"repaired_images": {split: list(own) for split, own in index.repaired.items()}} if index.repaired else {}),
        **({"converted_images": converted} if (converted := run.converted_images(receipts)) else {}),
        **({"subset": described} if (described := options.subset.described()) else {}),
        "complete": is_whole and not skipped and options.max_examples is None,
        "missing": missing,
        "skipped_images": skipped,
        "splits": None if options.splits is None else list(options.splits),
        "max_examples_per_split": options.max_examples,
        "changed_images": _changed(plans, receipts),
    }


def _changed(plans: Iterable[SplitPlan], receipts: Mapping[str, list[Receipt]]) -> dict[str, int]:
    """Returns how many images of each split were changed, when they were spooled or when the shards were written."""
    changed = {split: sum(receipt.changed for receipt in own) for split, own in receipts.items()}
    for plan in plans:
        members = written_members(plan, run.skipped_images(receipts))
        processed = np.array([container.processed for container in members.containers], bool)
        changed[members.split] += int(processed[members.container].sum())
    return changed


def written_members(plan: SplitPlan, skipped: Mapping[str, Mapping[str, str]]) -> Members:
    """Returns the images of a split in the order of its records, without those that were skipped."""
    members = plan.planned_members()
    left_out = [name.encode() for name in skipped.get(members.split, ())]
    return members.take(np.flatnonzero(~np.isin(members.name, left_out))) if left_out else members


def all_skipped(index: Index, receipts: Mapping[str, list[Receipt]]) -> dict[str, dict[str, str]]:
    """Returns the skipped images of each split that has any, with those that its source was made without."""
    now = run.skipped_images(receipts)
    found = {split: {**index.skipped.get(split, {}), **now.get(split, {})} for split in receipts}
    return {split: own for split, own in found.items() if own}
