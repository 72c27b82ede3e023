"""Words of sentences: counted nouns, articles, and text from files made safe to display."""

import unicodedata

LONGEST_LABEL = 200
"""Maximum length of labels in pictures and on the console; results keep them whole."""


_SPOKEN_WITH_VOWEL = "AEFHILMNORSX"  # capital letters, spelled out: an LSTM
_SPOKEN_WITH_CONSONANT = ("uni", "use", "eu", "one")  # a UnitNormalization


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``count`` with its noun: "1 map", "2 maps"; ``plural`` where it is not noun + "s"."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def with_article(noun: str) -> str:
    """``noun`` with "a" or "an", as it is spoken: "a Dense", "an Add", "an LSTM"."""
    if noun[:2].isupper():
        is_vowel = noun[0] in _SPOKEN_WITH_VOWEL
    else:
        is_vowel = noun[:1].lower() in tuple("aeiou") and not noun.lower().startswith(
            _SPOKEN_WITH_CONSONANT
        )
    return f"{'an' if is_vowel else 'a'} {noun}"


def printable(text: str) -> str:
    r"""``text`` with what does not print written out, such as ``\x1b`` or ``\n``, as in ``repr``.

    That is what moves a terminal's cursor, turns the direction of writing, or is no character.
    """
    if text.isprintable():
        return text
    return "".join(c if _prints(c) else ascii(c)[1:-1] for c in text)


def brief(text: str, length: int = LONGEST_LABEL) -> str:
    """``text`` `printable`; if longer than ``length``, its beginning and its end."""
    # Cut first: what does not print becomes up to ten characters.
    return _cut(printable(_cut(text, length)), length)


def _cut(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    end = (length - 3) // 3
    return f"{text[: length - 3 - end]}...{text[len(text) - end :]}"


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
