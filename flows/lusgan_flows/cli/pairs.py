"""``lusgan pairs``: placeholder import."""


def pairs() -> None:
    """x"""
