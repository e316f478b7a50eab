# prompt: Write a function double_letters(text) that writes every character of a text twice.
# test: double_letters("abc") == "aabbcc"
# test: double_letters("") == ""
# test: double_letters("a b") == "aa  bb"
def double_letters(text: str) -> str:
    """Write every character twice.

    Args:
        text: The text to stretch.

    Returns:
        The stretched text.

    Example:
        >>> double_letters("abc")
        'aabbcc'
    """
    return "".join(char * 2 for char in text)


# prompt: Please check whether a text contains only letters and spaces; name the function is_plain_text. The empty text counts as plain.
# test: is_plain_text("hello you") is True
# test: is_plain_text("a1") is False
# test: is_plain_text("") is True
def is_plain_text(text: str) -> bool:
    """Check for letters and spaces only.

    Args:
        text: The text to check.

    Returns:
        True if nothing else is in it.

    Example:
        >>> is_plain_text("a1")
        False
    """
    return all(char.isalpha() or char == " " for char in text)


# prompt: What is the last word of a sentence? last_word("the end") -> "end". Raise a ValueError for a sentence without words.
# test: last_word("the end") == "end"
# test: last_word("one") == "one"
# raises ValueError: last_word("")
def last_word(sentence: str) -> str:
    """Return the last word of a sentence.

    Args:
        sentence: The sentence to read.

    Returns:
        The last word.

    Raises:
        ValueError: If there are no words.

    Example:
        >>> last_word("the end")
        'end'
    """
    words = sentence.split()
    if not words:
        raise ValueError("sentence has no words")
    return words[-1]


# prompt: i need the number of spaces at the start of a line, leading_spaces is a good name
# test: leading_spaces("  ab") == 2
# test: leading_spaces("ab ") == 0
# test: leading_spaces("") == 0
def leading_spaces(line: str) -> int:
    """Count the spaces at the start of a line.

    Args:
        line: The line to measure.

    Returns:
        The number of leading spaces.

    Example:
        >>> leading_spaces("  ab")
        2
    """
    return len(line) - len(line.lstrip(" "))


# prompt: Implement `starts_same(first: str, second: str) -> bool`: do both strings begin with the same letter, ignoring case? Empty strings never do.
# test: starts_same("Apple", "ant") is True
# test: starts_same("dog", "cat") is False
# test: starts_same("", "x") is False
def starts_same(first: str, second: str) -> bool:
    """Compare the first letters of two texts.

    Args:
        first: The first text.
        second: The second text.

    Returns:
        True if both start alike.

    Example:
        >>> starts_same("Apple", "ant")
        True
    """
    return first[:1].lower() == second[:1].lower() != ""


# prompt: Give me a function shout(text) that puts a text in upper case and adds an exclamation mark, unless it ends with one already.
# test: shout("hello") == "HELLO!"
# test: shout("Stop!") == "STOP!"
# test: shout("") == "!"
def shout(text: str) -> str:
    """Put a text in upper case with a final mark.

    Args:
        text: The text to shout.

    Returns:
        The loud text.

    Example:
        >>> shout("hello")
        'HELLO!'
    """
    loud = text.upper()
    return loud if loud.endswith("!") else loud + "!"


# prompt: Write half_text(text), which returns the first half of a text; with an odd number of characters the middle one belongs to it.
# test: half_text("abcd") == "ab"
# test: half_text("abc") == "ab"
# test: half_text("") == ""
def half_text(text: str) -> str:
    """Return the first half of a text.

    Args:
        text: The text to cut.

    Returns:
        The first half.

    Example:
        >>> half_text("abcd")
        'ab'
    """
    return text[: (len(text) + 1) // 2]
