"""What layers compute in, by the device that Keras's backend computes on.

GPUs and TPUs compute faster in half precision. Weights, logits and loss are float32 in any case, as in Micikevicius et
al. 2018, "Mixed Precision Training" (arXiv:1710.03740). float16 needs a scaled loss, which Keras adds to the optimizer;
bfloat16 has the range of float32.
"""

import keras

from ilsvrc_tfds.training.devices import kind_of_device
from ilsvrc_tfds.training.recipe import PRECISIONS

_BY_KIND = {"gpu": "float16", "tpu": "bfloat16"}


def default_precision() -> str:
    """Returns the precision that suits the device: float16 on GPUs, bfloat16 on TPUs, float32 on all others.

    If the caller has set a dtype policy of Keras that computes in half precision, it is that one's.

    >>> default_precision()
    'float32'
    """
    chosen = keras.config.dtype_policy().compute_dtype
    return chosen if chosen in PRECISIONS[1:] else _BY_KIND.get(kind_of_device(), PRECISIONS[0])


def dtype_policy(precision: str) -> str:
    """Returns the name of Keras's dtype policy with float32 weights whose layers compute in a precision.

    >>> dtype_policy("float32"), dtype_policy("bfloat16")
    ('float32', 'mixed_bfloat16')
    """
    return precision if precision == PRECISIONS[0] else f"mixed_{precision}"
