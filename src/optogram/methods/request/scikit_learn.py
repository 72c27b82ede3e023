"""scikit-learn, which is not installed with optogram."""

from typing import Any

from optogram.errors import InputError


def require_scikit_learn(what: str) -> Any:
    """The package ``sklearn``, with the modules in use; InputError if it is not installed."""
    try:
        import sklearn
        import sklearn.decomposition
        import sklearn.exceptions
        import sklearn.linear_model
    except ImportError as error:
        raise InputError(
            f'{what} needs the package scikit-learn: pip install "optogram[concepts]".'
        ) from error
    return sklearn
