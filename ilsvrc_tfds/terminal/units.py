"""Numbers of bytes and seconds, in words."""


def in_bytes(number: float) -> str:
    """Returns a number of bytes with three digits and a decimal unit.

    >>> in_bytes(58_900_000_000), in_bytes(310_200_000), in_bytes(1_234), in_bytes(12)
    ('58.9 GB', '310 MB', '1.23 kB', '12 B')
    """
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            amount = number / size
            return f"{amount:.{max(0, 3 - len(str(int(amount))))}f} {unit}"
    return f"{number:.0f} B"


def about(seconds: float) -> str:
    """Returns an estimate of a time in words.

    >>> about(0.3), about(35.2), about(754), about(12_345)
    ('about 1 s', 'about 35 s', 'about 13 min', 'about 3 h 26 min')
    """
    if seconds < 100:
        return f"about {max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"


def in_time(seconds: float) -> str:
    """Returns a duration as minutes and seconds, or with hours.

    >>> in_time(65), in_time(3_725), in_time(0.2)
    ('1:05', '1:02:05', '0:00')
    """
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
