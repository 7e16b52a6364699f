"""What layers compute in, by the device that Keras's backend computes on, and the memory of a GPU that two share.

GPUs and TPUs compute faster in half precision. Weights, logits and loss are float32 in any case, as in Micikevicius et
al. 2018, "Mixed Precision Training" (arXiv:1710.03740). float16 needs a scaled loss, which Keras adds to the optimizer;
bfloat16 has the range of float32.
"""

import logging
import sys
from typing import Any

import keras
import tensorflow as tf

from ilsvrc_tfds.training.recipe import PRECISIONS

_BY_KIND = {"gpu": "float16", "tpu": "bfloat16"}

_log = logging.getLogger(__name__)


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


def kind_of_device() -> str:
    """Returns the kind of device that Keras's backend computes on: `gpu`, `tpu`, `cpu`, or what JAX calls it.

    >>> kind_of_device()
    'cpu'
    """
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.default_backend()
    if backend == "torch":
        torch: Any = sys.modules["torch"]
        return "gpu" if torch.cuda.is_available() else "cpu"
    return next((kind.lower() for kind in ("TPU", "GPU") if tf.config.list_physical_devices(kind)), "cpu")


def leave_gpus_to_backend() -> None:
    """Hides the GPUs from TensorFlow if it only makes the batches: it would take the memory that the backend needs.

    >>> leave_gpus_to_backend()
    """
    if keras.backend.backend() == "tensorflow" or not tf.config.get_visible_devices("GPU"):
        return
    try:
        tf.config.set_visible_devices([], "GPU")
    except RuntimeError:  # it has computed already, with the GPUs
        _log.warning(
            "TensorFlow has taken the memory of the GPU, which %s needs. If that runs out, call "
            'tf.config.set_visible_devices([], "GPU") before anything else of TensorFlow.',
            keras.backend.backend(),
        )
