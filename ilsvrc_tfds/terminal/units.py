"""Numbers of bytes and seconds, in words."""


def in_bytes(number: float) -> str:
    """Returns a number of bytes with three digits and a decimal unit.

    >>> in_bytes(58_900_000_000), in_bytes(310_200_000), in_bytes(1_234), in_bytes(12)
    ('58.9 GB', '310 MB', '1.23 kB', '12 B')
    >>> in_bytes(9_999), in_bytes(999_600_000)
    ('10.0 kB', '1.00 GB')
    """
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        amount = number / size
        if amount >= 0.9995:  # 999.6 MB are 1.00 GB, and not 1000 MB
            return f"{amount:.{2 if amount < 9.995 else 1 if amount < 99.95 else 0}f} {unit}"
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
