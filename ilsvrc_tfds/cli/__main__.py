"""`python -m ilsvrc_tfds.cli`."""

import sys

from ilsvrc_tfds.cli import main

sys.exit(main())
