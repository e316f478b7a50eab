# prompt: Write a Python function `parse_key_value(line)` that splits a line like "name = Ada" at the first equals sign and returns both parts stripped as a tuple. Without an equals sign raise a ValueError.
# test: parse_key_value("name = Ada") == ("name", "Ada")
# test: parse_key_value("a=b=c") == ("a", "b=c")
# raises ValueError: parse_key_value("name")
def parse_key_value(line: str) -> tuple[str, str]:
    """Split a line into a key and a value.

    Args:
        line: The line to split.

    Returns:
        The key and the value.

    Raises:
        ValueError: If there is no equals sign.

    Example:
        >>> parse_key_value("name = Ada")
        ('name', 'Ada')
    """
    if "=" not in line:
        raise ValueError("line has no equals sign")
    key, value = line.split("=", 1)
    return key.strip(), value.strip()


# prompt: I need slugify(title) for urls: lower case, words joined by hyphens, everything that is not a letter or digit treated as a space.
# test: slugify("Hello, World!") == "hello-world"
# test: slugify("  A  b ") == "a-b"
# test: slugify("") == ""
def slugify(title: str) -> str:
    """Turn a title into a part of an address.

    Args:
        title: The title to convert.

    Returns:
        The words joined by hyphens.

    Example:
        >>> slugify("Hello, World!")
        'hello-world'
    """
    cleaned = "".join(char if char.isalnum() else " " for char in title.lower())
    return "-".join(cleaned.split())


# prompt: function split_csv_line(line) -> list of the comma separated fields, each stripped of spaces. no quoting needed
# test: split_csv_line("a, b ,c") == ["a", "b", "c"]
# test: split_csv_line("x") == ["x"]
# test: split_csv_line("1,,2") == ["1", "", "2"]
def split_csv_line(line: str) -> list[str]:
    """Split a line into its fields.

    Args:
        line: The line with commas.

    Returns:
        The fields without spaces around.

    Example:
        >>> split_csv_line("a, b ,c")
        ['a', 'b', 'c']
    """
    return [field.strip() for field in line.split(",")]


# prompt: How do I hide most of a card number? mask_number("12345678") should give "****5678": all but the last four characters become stars.
# test: mask_number("12345678") == "****5678"
# test: mask_number("123") == "123"
# test: mask_number("12345") == "*2345"
def mask_number(number: str) -> str:
    """Hide all but the last four characters.

    Args:
        number: The number to hide.

    Returns:
        The number with stars in front.

    Example:
        >>> mask_number("12345678")
        '****5678'
    """
    return "*" * max(0, len(number) - 4) + number[-4:]


# prompt: Write file_extension(name) returning the part after the last dot in lower case, or an empty string if there is no dot.
# test: file_extension("photo.JPG") == "jpg"
# test: file_extension("archive.tar.gz") == "gz"
# test: file_extension("README") == ""
def file_extension(name: str) -> str:
    """Return the extension of a file name.

    Args:
        name: The file name.

    Returns:
        The extension in lower case, or nothing.

    Example:
        >>> file_extension("photo.JPG")
        'jpg'
    """
    if "." not in name:
        return ""
    return name.rsplit(".", 1)[1].lower()


# prompt: Implement `parse_version(version: str) -> tuple[int, int, int]` for texts such as "2.13.0". If there are not exactly three parts raise ValueError.
# test: parse_version("2.13.0") == (2, 13, 0)
# test: parse_version("0.0.1") == (0, 0, 1)
# raises ValueError: parse_version("1.2")
def parse_version(version: str) -> tuple[int, int, int]:
    """Split a version into three numbers.

    Args:
        version: The version with two dots.

    Returns:
        The major, minor and patch number.

    Raises:
        ValueError: If there are not three parts.

    Example:
        >>> parse_version("2.13.0")
        (2, 13, 0)
    """
    parts = version.split(".")
    if len(parts) != 3:
        raise ValueError("version must have three parts")
    return int(parts[0]), int(parts[1]), int(parts[2])


# prompt: My log lines look like "ERROR: disk full". Give me log_level(line), which returns the part before the colon in lower case; it returns "unknown" if there's no colon.
# test: log_level("ERROR: disk full") == "error"
# test: log_level("Info: a: b") == "info"
# test: log_level("no level here") == "unknown"
def log_level(line: str) -> str:
    """Return the level of a log line.

    Args:
        line: The log line.

    Returns:
        The level in lower case.

    Example:
        >>> log_level("ERROR: disk full")
        'error'
    """
    if ":" not in line:
        return "unknown"
    return line.split(":", 1)[0].lower()


# prompt: Write a function `email_domain` that returns what stands after the @ of an email address in lower case. If there isn't exactly one @, raise a ValueError.
# test: email_domain("ada@Example.org") == "example.org"
# test: email_domain("x@y") == "y"
# raises ValueError: email_domain("nobody")
# raises ValueError: email_domain("a@b@c")
def email_domain(address: str) -> str:
    """Return the domain of an email address.

    Args:
        address: The email address.

    Returns:
        The domain in lower case.

    Raises:
        ValueError: If there is not exactly one at sign.

    Example:
        >>> email_domain("ada@Example.org")
        'example.org'
    """
    if address.count("@") != 1:
        raise ValueError("address must have one at sign")
    return address.split("@")[1].lower()


# prompt: want to number lines: number_lines("a\nb") == "1: a\n2: b"
# test: number_lines("a\nb") == "1: a\n2: b"
# test: number_lines("x") == "1: x"
# test: number_lines("") == ""
def number_lines(text: str) -> str:
    """Put a number before each line.

    Args:
        text: The text with lines.

    Returns:
        The text with numbered lines.

    Example:
        >>> number_lines("x")
        '1: x'
    """
    return "\n".join(f"{number}: {line}" for number, line in enumerate(text.splitlines(), start=1))


# prompt: Function center_title(title, width) that centers a title in a line of dashes of the given width, with one space on either side of the title. Too small a width just gives the title with its spaces.
# test: center_title("Hi", 8) == "-- Hi --"
# test: center_title("Hello", 3) == " Hello "
# test: center_title("Hi", 4) == " Hi "
def center_title(title: str, width: int) -> str:
    """Center a title in a line of dashes.

    Args:
        title: The title to center.
        width: The width of the line.

    Returns:
        The line with the title.

    Example:
        >>> center_title("Hi", 8)
        '-- Hi --'
    """
    return f" {title} ".center(width, "-")


# prompt: Can you write join_names(names)? It makes "Ann", "Ann and Bob" or "Ann, Bob and Cy" out of a list of names; an empty list gives an empty string.
# test: join_names(["Ann", "Bob", "Cy"]) == "Ann, Bob and Cy"
# test: join_names(["Ann", "Bob"]) == "Ann and Bob"
# test: join_names(["Ann"]) == "Ann"
# test: join_names([]) == ""
def join_names(names: list[str]) -> str:
    """Join names the way people write them.

    Args:
        names: The names to join.

    Returns:
        The names with commas and an and.

    Example:
        >>> join_names(["Ann", "Bob", "Cy"])
        'Ann, Bob and Cy'
    """
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


# prompt: Need parse_bool(text): "yes", "true", "1" in any case are True, "no", "false", "0" are False, and anything else is a ValueError.
# test: parse_bool("Yes") is True
# test: parse_bool("0") is False
# test: parse_bool("TRUE") is True
# raises ValueError: parse_bool("maybe")
def parse_bool(text: str) -> bool:
    """Read a text as true or false.

    Args:
        text: The text to read.

    Returns:
        The truth value.

    Raises:
        ValueError: If the text is neither.

    Example:
        >>> parse_bool("Yes")
        True
    """
    lowered = text.lower()
    if lowered not in ("yes", "true", "1", "no", "false", "0"):
        raise ValueError("text is neither true nor false")
    return lowered in ("yes", "true", "1")


# prompt: write indent_lines(text, spaces) that puts that many spaces before every line of a text
# test: indent_lines("a\nb", 2) == "  a\n  b"
# test: indent_lines("x", 0) == "x"
# test: indent_lines("x", 3) == "   x"
def indent_lines(text: str, spaces: int) -> str:
    """Indent every line of a text.

    Args:
        text: The text with lines.
        spaces: The spaces before each line.

    Returns:
        The indented text.

    Example:
        >>> indent_lines("x", 3)
        '   x'
    """
    return "\n".join(" " * spaces + line for line in text.splitlines())


# prompt: How to pull all numbers out of a text? extract_numbers("3 cats, 12 dogs") should return [3, 12] (whole numbers without sign).
# test: extract_numbers("3 cats, 12 dogs") == [3, 12]
# test: extract_numbers("none") == []
# test: extract_numbers("a1b22") == [1, 22]
import re


def extract_numbers(text: str) -> list[int]:
    """Extract the whole numbers from a text.

    Args:
        text: The text to search.

    Returns:
        The numbers in order.

    Example:
        >>> extract_numbers("3 cats, 12 dogs")
        [3, 12]
    """
    return [int(digits) for digits in re.findall(r"\d+", text)]


# prompt: I have query strings like "a=1&b=2". parse_query(query) should turn them into a dict of strings; the empty string gives an empty dict.
# test: parse_query("a=1&b=2") == {"a": "1", "b": "2"}
# test: parse_query("") == {}
# test: parse_query("x=") == {"x": ""}
def parse_query(query: str) -> dict[str, str]:
    """Parse a query string into a dictionary.

    Args:
        query: The query string.

    Returns:
        The names with their values.

    Example:
        >>> parse_query("a=1&b=2")
        {'a': '1', 'b': '2'}
    """
    if not query:
        return {}
    return dict(pair.split("=", 1) for pair in query.split("&"))


# prompt: Write `expand_tabs_to(text, size)`, replacing each tab by `size` spaces. A size that is negative raises ValueError.
# test: expand_tabs_to("a\tb", 2) == "a  b"
# test: expand_tabs_to("ab", 4) == "ab"
# raises ValueError: expand_tabs_to("a", -1)
def expand_tabs_to(text: str, size: int) -> str:
    """Replace each tab by spaces.

    Args:
        text: The text with tabs.
        size: The spaces for a tab.

    Returns:
        The text without tabs.

    Raises:
        ValueError: If size is negative.

    Example:
        >>> expand_tabs_to("ab", 2)
        'ab'
    """
    if size < 0:
        raise ValueError("size must not be negative")
    return text.replace("\t", " " * size)


# prompt: Turn a hex color such as "#ff8000" into a tuple of three numbers (255, 128, 0); the function is called hex_to_rgb.
# test: hex_to_rgb("#ff8000") == (255, 128, 0)
# test: hex_to_rgb("#000000") == (0, 0, 0)
# test: hex_to_rgb("#0A0b0C") == (10, 11, 12)
def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """Convert a hex color to three numbers.

    Args:
        color: The color with a leading hash.

    Returns:
        The red, green and blue parts.

    Example:
        >>> hex_to_rgb("#ff8000")
        (255, 128, 0)
    """
    digits = color.lstrip("#")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


# prompt: Write a Python function word_wrap(words, width) that puts a list of words into lines of at most `width` characters, words joined by single spaces, and returns the list of lines.
# test: word_wrap(["a", "bb", "ccc"], 4) == ["a bb", "ccc"]
# test: word_wrap([], 5) == []
# test: word_wrap(["hello"], 3) == ["hello"]
def word_wrap(words: list[str], width: int) -> list[str]:
    """Put words into lines of a limited width.

    Args:
        words: The words to place.
        width: The most characters a line.

    Returns:
        The lines in order.

    Example:
        >>> word_wrap(["a", "bb", "ccc"], 4)
        ['a bb', 'ccc']
    """
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


# prompt: pad_number(number, width): give me the number as text with leading zeros up to the width. negative numbers should be rejected with a ValueError
# test: pad_number(7, 3) == "007"
# test: pad_number(1234, 2) == "1234"
# raises ValueError: pad_number(-1, 3)
def pad_number(number: int, width: int) -> str:
    """Write a number with leading zeros.

    Args:
        number: The number to write.
        width: The least digits.

    Returns:
        The padded number.

    Raises:
        ValueError: If the number is negative.

    Example:
        >>> pad_number(7, 3)
        '007'
    """
    if number < 0:
        raise ValueError("number must not be negative")
    return str(number).zfill(width)


# prompt: What is an easy way to drop comments from a config line? Everything from the first # on goes, and trailing spaces too. Call it strip_comment.
# test: strip_comment("x = 1  # set x") == "x = 1"
# test: strip_comment("# all") == ""
# test: strip_comment("y = 2") == "y = 2"
def strip_comment(line: str) -> str:
    """Remove the comment from a line.

    Args:
        line: The line of a config file.

    Returns:
        The line before the comment.

    Example:
        >>> strip_comment("x = 1  # set x")
        'x = 1'
    """
    return line.split("#", 1)[0].rstrip()


# prompt: Write to_morse_like(text): every vowel becomes "." and every other letter "-", other characters are dropped.
# test: to_morse_like("abe") == ".-."
# test: to_morse_like("a b!") == ".-"
# test: to_morse_like("") == ""
def to_morse_like(text: str) -> str:
    """Write vowels as dots and consonants as dashes.

    Args:
        text: The text to encode.

    Returns:
        The dots and dashes.

    Example:
        >>> to_morse_like("abe")
        '.-.'
    """
    return "".join("." if char in "aeiou" else "-" for char in text.lower() if char.isalpha())


# prompt: Build a path from parts: join_path(parts) joins a list of names with single slashes, whatever slashes the parts start or end with.
# test: join_path(["a/", "/b", "c"]) == "a/b/c"
# test: join_path(["x"]) == "x"
# test: join_path(["/a/", "b/"]) == "a/b"
def join_path(parts: list[str]) -> str:
    """Join parts of a path with single slashes.

    Args:
        parts: The parts of the path.

    Returns:
        The joined path.

    Example:
        >>> join_path(["a/", "/b", "c"])
        'a/b/c'
    """
    return "/".join(part.strip("/") for part in parts)


# prompt: I'd like a `format_table_row(cells, width)` that left-aligns each text cell in `width` characters and joins them with " | ".
# test: format_table_row(["a", "bb"], 3) == "a   | bb "
# test: format_table_row(["x"], 2) == "x "
# test: format_table_row([], 4) == ""
def format_table_row(cells: list[str], width: int) -> str:
    """Format the cells of a table row.

    Args:
        cells: The texts of the cells.
        width: The characters a cell.

    Returns:
        The row as one line.

    Example:
        >>> format_table_row(["a", "bb"], 3)
        'a   | bb '
    """
    return " | ".join(cell.ljust(width) for cell in cells)


# prompt: Convert a date text from "2024-03-09" to "09/03/2024" with a function flip_date. Anything without three parts between hyphens raises ValueError.
# test: flip_date("2024-03-09") == "09/03/2024"
# test: flip_date("1999-12-31") == "31/12/1999"
# raises ValueError: flip_date("2024-03")
def flip_date(date: str) -> str:
    """Rewrite a date with the day first.

    Args:
        date: The date as year, month and day.

    Returns:
        The date as day, month and year.

    Raises:
        ValueError: If there are not three parts.

    Example:
        >>> flip_date("2024-03-09")
        '09/03/2024'
    """
    parts = date.split("-")
    if len(parts) != 3:
        raise ValueError("date must have three parts")
    return "/".join(reversed(parts))


# prompt: Count how many lines of a text are not blank. Name the function count_nonblank_lines.
# test: count_nonblank_lines("a\n\n b \n") == 2
# test: count_nonblank_lines("") == 0
# test: count_nonblank_lines("  \n\t") == 0
def count_nonblank_lines(text: str) -> int:
    """Count the lines that are not blank.

    Args:
        text: The text with lines.

    Returns:
        The number of lines with content.

    Example:
        >>> count_nonblank_lines("one line")
        1
    """
    return sum(bool(line.strip()) for line in text.splitlines())


# prompt: Write a function that takes a string of initials like "j. r. r." and returns "JRR"; call it clean_initials
# test: clean_initials("j. r. r.") == "JRR"
# test: clean_initials("a.b.") == "AB"
# test: clean_initials("") == ""
def clean_initials(initials: str) -> str:
    """Reduce initials to capital letters.

    Args:
        initials: The initials with dots.

    Returns:
        The letters in upper case.

    Example:
        >>> clean_initials("j. r. r.")
        'JRR'
    """
    return "".join(char.upper() for char in initials if char.isalpha())


# prompt: get_host(url) please: from "https://example.org/page" I need "example.org". If "://" is missing raise a ValueError.
# test: get_host("https://example.org/page") == "example.org"
# test: get_host("http://a.b") == "a.b"
# raises ValueError: get_host("example.org")
def get_host(url: str) -> str:
    """Return the host of a web address.

    Args:
        url: The address with its scheme.

    Returns:
        The host alone.

    Raises:
        ValueError: If the scheme is missing.

    Example:
        >>> get_host("https://example.org/page")
        'example.org'
    """
    if "://" not in url:
        raise ValueError("url has no scheme")
    return url.split("://", 1)[1].split("/", 1)[0]


# prompt: Write a function quote_reply(text) which puts "> " in front of every line, as mail programs do.
# test: quote_reply("hi\nyou") == "> hi\n> you"
# test: quote_reply("a") == "> a"
# test: quote_reply("") == ""
def quote_reply(text: str) -> str:
    """Quote every line of a text.

    Args:
        text: The text to quote.

    Returns:
        The quoted text.

    Example:
        >>> quote_reply("a")
        '> a'
    """
    return "\n".join("> " + line for line in text.splitlines())
