"""x"""


def add_arguments(p): ...
def run(n):
    return 1
