"""Of the stand-in: one GPU to ask for its name."""


class runtime:
    """CuPy's module of this name."""

    @staticmethod
    def getDeviceProperties(device):
        """As CuPy gives them."""
        return {"name": b"Stand-in 1"}
