"""A second verifier of evidence packages, written from docs/evidence-format.md alone.

It shares no code with the verifier of the product, so that a mistake would have to be made twice.
Numbers in the modules' headings are sections of docs/evidence-format.md.
"""


class Fault(Exception):
    """The package is refused. `code` is one of the closed lists of section 14."""

    def __init__(self, code, text, *values):
        self.text = text % values if values else text
        super().__init__(self.text)
        self.code = code
        self.of_delivery = False  # the package is the evidence.tar of a delivery


class Undecided(Exception):
    """Nothing can be said: usage, unreadable input, a tool that is missing. Exit status 2."""

    def __init__(self, text, *values):
        super().__init__(text % values if values else text)


def require(condition, code, text, *values):
    if not condition:
        raise Fault(code, text, *values)
