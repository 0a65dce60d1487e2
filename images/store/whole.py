"""A stream that must not be taken for whole where it was cut off."""

from typing import BinaryIO

from images.store.bucket import StoreError


class Whole:
    """Reads on from `source`; raises StoreError where it ends before `size`, so that its upload is broken off.

    It has nothing but `read`, so what takes it never tries to seek in a pipe.
    """

    def __init__(self, source: BinaryIO, size: int) -> None:
        self.source, self.left = source, size

    def read(self, size: int = -1) -> bytes:
        content = self.source.read(size)
        self.left -= len(content)
        if not content and self.left > 0:
            raise StoreError(f"the file broke off {self.left:,} bytes before its end: nothing was put")
        return content
