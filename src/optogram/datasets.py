"""Photos to try things on."""

from pathlib import Path

from optogram.errors import InputError

# Photographs that scikit-image ships with its package, so that nothing is downloaded.
_SAMPLES = {
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "astronaut": "astronaut.png",
    "rocket": "rocket.jpg",
}


def sample_photo(name: str = "chelsea") -> Path:
    """The file of a sample photo: "chelsea" (a cat), "coffee", "astronaut" or "rocket".

    Raises
    ------
    InputError
        If there is no photo of that name, or scikit-image, which brings them, is not installed.
    """
    if name not in _SAMPLES:
        raise InputError(f"There is no sample photo {name!r}: choose one of {', '.join(_SAMPLES)}.")
    try:
        import skimage.data
    except ImportError as error:
        raise InputError(
            'The sample photos come with scikit-image: run pip install "optogram[demo]".'
        ) from error
    return Path(skimage.data.__file__).parent / _SAMPLES[name]
