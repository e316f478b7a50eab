# prompt: Phone numbers come as "030-12345". Write split_phone(number) which returns the two parts around the first hyphen as a tuple; without a hyphen the first part is empty.
# test: split_phone("030-12345") == ("030", "12345")
# test: split_phone("12345") == ("", "12345")
# test: split_phone("1-2-3") == ("1", "2-3")
def split_phone(number: str) -> tuple[str, str]:
    """Split a phone number at the hyphen.

    Args:
        number: The phone number.

    Returns:
        The area code and the rest.

    Example:
        >>> split_phone("030-12345")
        ('030', '12345')
    """
    area, hyphen, rest = number.partition("-")
    return (area, rest) if hyphen else ("", number)


# prompt: Write a function wrap_tag(text, tag) that puts a text into an HTML tag, so wrap_tag("hi", "b") gives "<b>hi</b>". An empty tag should raise a ValueError.
# test: wrap_tag("hi", "b") == "<b>hi</b>"
# test: wrap_tag("", "p") == "<p></p>"
# raises ValueError: wrap_tag("hi", "")
def wrap_tag(text: str, tag: str) -> str:
    """Put a text into a tag.

    Args:
        text: The text to wrap.
        tag: The name of the tag.

    Returns:
        The text between tags.

    Raises:
        ValueError: If the tag is empty.

    Example:
        >>> wrap_tag("hi", "b")
        '<b>hi</b>'
    """
    if not tag:
        raise ValueError("tag must not be empty")
    return f"<{tag}>{text}</{tag}>"


# prompt: how can i get the longest line of a multi-line text? longest_line(text), first one wins, "" for an empty text
# test: longest_line("a\nbbb\ncc") == "bbb"
# test: longest_line("") == ""
# test: longest_line("ab\ncd") == "ab"
def longest_line(text: str) -> str:
    """Find the longest line of a text.

    Args:
        text: The text with lines.

    Returns:
        The first of the longest lines.

    Example:
        >>> longest_line("ab")
        'ab'
    """
    return max(text.splitlines(), key=len, default="")


# prompt: Implement format_price(cents: int) -> str so that 1234 becomes "12.34"; negative cents are not allowed and raise ValueError.
# test: format_price(1234) == "12.34"
# test: format_price(5) == "0.05"
# raises ValueError: format_price(-1)
def format_price(cents: int) -> str:
    """Write cents as a price.

    Args:
        cents: The price in cents.

    Returns:
        The price with two decimals.

    Raises:
        ValueError: If cents is negative.

    Example:
        >>> format_price(1234)
        '12.34'
    """
    if cents < 0:
        raise ValueError("cents must not be negative")
    return f"{cents // 100}.{cents % 100:02d}"


# prompt: I keep notes as "buy milk; call Bob; rest". Turn such a text into a list of tasks, dropping empty ones: split_tasks(notes).
# test: split_tasks("buy milk; call Bob") == ["buy milk", "call Bob"]
# test: split_tasks(";; a ;") == ["a"]
# test: split_tasks("") == []
def split_tasks(notes: str) -> list[str]:
    """Split notes into tasks.

    Args:
        notes: The notes with semicolons.

    Returns:
        The tasks that are not empty.

    Example:
        >>> split_tasks("buy milk; call Bob")
        ['buy milk', 'call Bob']
    """
    parts = [part.strip() for part in notes.split(";")]
    return [part for part in parts if part]


# prompt: Write underline(title) that returns the title, a newline, and as many equals signs as the title has characters.
# test: underline("Hi") == "Hi\n=="
# test: underline("") == "\n"
# test: underline("abc") == "abc\n==="
def underline(title: str) -> str:
    """Underline a title with equals signs.

    Args:
        title: The title to underline.

    Returns:
        The title and its line.

    Example:
        >>> len(underline("Hi"))
        5
    """
    return title + "\n" + "=" * len(title)


# prompt: Function to read a ratio such as "16:9" into a tuple of two integers: parse_ratio(text).
# test: parse_ratio("16:9") == (16, 9)
# test: parse_ratio("1:1") == (1, 1)
# test: parse_ratio("4:3") == (4, 3)
def parse_ratio(text: str) -> tuple[int, int]:
    """Read a ratio as two numbers.

    Args:
        text: The ratio with a colon.

    Returns:
        Both numbers of the ratio.

    Example:
        >>> parse_ratio("16:9")
        (16, 9)
    """
    first, second = text.split(":")
    return int(first), int(second)


# prompt: Write a function yes_no(flag) that turns True into "yes" and False into "no".
# test: yes_no(True) == "yes"
# test: yes_no(False) == "no"
# test: yes_no(1 == 1) == "yes"
def yes_no(flag: bool) -> str:
    """Write a truth value as a word.

    Args:
        flag: The truth value.

    Returns:
        The word yes or no.

    Example:
        >>> yes_no(True)
        'yes'
    """
    return "yes" if flag else "no"


# prompt: Can you make a greeting for a given hour? greeting(hour): "Good morning" before 12, "Good afternoon" before 18, else "Good evening". Hours outside 0 to 23 raise a ValueError.
# test: greeting(8) == "Good morning"
# test: greeting(12) == "Good afternoon"
# test: greeting(23) == "Good evening"
# raises ValueError: greeting(24)
def greeting(hour: int) -> str:
    """Choose a greeting for an hour.

    Args:
        hour: The hour of the day.

    Returns:
        The greeting that fits.

    Raises:
        ValueError: If hour is not from 0 to 23.

    Example:
        >>> greeting(8)
        'Good morning'
    """
    if not 0 <= hour <= 23:
        raise ValueError("hour must be from 0 to 23")
    if hour < 12:
        return "Good morning"
    return "Good afternoon" if hour < 18 else "Good evening"
