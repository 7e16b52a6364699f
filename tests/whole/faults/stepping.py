"""`python stepping.py STEP WORDS…` runs `ilsvrc-tfds WORDS…` and kills itself before it changes the file system the STEP-th time.

Steps count from the moment that the staging folder is made. With step 0 it runs to its end, and prints how many there were.
"""

import os
import signal
import sys

CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "shutil.rmtree"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

steps, last = 0, int(sys.argv[1])


def count(event: str, arguments: tuple) -> None:
    global steps
    if event not in CHANGES and not (event == "open" and arguments[2] & WRITES):
        return
    if steps or ".staging" in str(arguments[0]):
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from ilsvrc_tfds.cli import main

    sys.addaudithook(count)
    status = main(sys.argv[2:])
    print(f"steps {steps}")
    sys.exit(status)
