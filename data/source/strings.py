# prompt: Write a Python function named is_palindrome that tells whether a text reads the same backwards, ignoring case.
# test: is_palindrome("Level") is True
# test: is_palindrome("abc") is False
# test: is_palindrome("") is True
def is_palindrome(text: str) -> bool:
    """Check whether a text reads the same backwards.

    Args:
        text: The text to check.

    Returns:
        True if the text is a palindrome.

    Example:
        >>> is_palindrome("Level")
        True
    """
    lowered = text.lower()
    return lowered == lowered[::-1]


# prompt: I need a function count_vowels(text) that counts the vowels a, e, i, o, u in a string, upper or lower case.
# test: count_vowels("Hello") == 2
# test: count_vowels("") == 0
# test: count_vowels("AEIOU xyz") == 5
def count_vowels(text: str) -> int:
    """Count the vowels in a text.

    Args:
        text: The text to search.

    Returns:
        The number of vowels.

    Example:
        >>> count_vowels("Hello")
        2
    """
    return sum(char in "aeiou" for char in text.lower())


# prompt: python function to reverse the order of words in a sentence, call it reverse_words
# test: reverse_words("one two three") == "three two one"
# test: reverse_words("hi") == "hi"
# test: reverse_words("") == ""
def reverse_words(sentence: str) -> str:
    """Reverse the order of the words in a sentence.

    Args:
        sentence: The sentence to reverse.

    Returns:
        The sentence with its words reversed.

    Example:
        >>> reverse_words("one two three")
        'three two one'
    """
    return " ".join(reversed(sentence.split()))


# prompt: Implement `caesar_shift(text: str, shift: int) -> str` that shifts lower case letters by `shift` places around the alphabet and leaves all else alone.
# test: caesar_shift("abc", 1) == "bcd"
# test: caesar_shift("xyz", 3) == "abc"
# test: caesar_shift("a b!", 2) == "c d!"
def caesar_shift(text: str, shift: int) -> str:
    """Shift the lower case letters of a text.

    Args:
        text: The text to encode.
        shift: The places to shift by.

    Returns:
        The shifted text.

    Example:
        >>> caesar_shift("xyz", 3)
        'abc'
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[(letters.index(c) + shift) % 26] if c in letters else c for c in text)


# prompt: How do I get the longest word of a sentence? Call the function longest_word; the first one wins a tie, and raise a ValueError if there are no words.
# test: longest_word("a tiny elephant") == "elephant"
# test: longest_word("one two") == "one"
# raises ValueError: longest_word("   ")
def longest_word(sentence: str) -> str:
    """Find the longest word of a sentence.

    Args:
        sentence: The sentence to search.

    Returns:
        The first of the longest words.

    Raises:
        ValueError: If the sentence has no words.

    Example:
        >>> longest_word("a tiny elephant")
        'elephant'
    """
    words = sentence.split()
    if not words:
        raise ValueError("sentence has no words")
    return max(words, key=len)


# prompt: Can you give me a function `count_char(text, char)` that counts how often a character occurs in a text? char must be one character, otherwise raise ValueError.
# test: count_char("banana", "a") == 3
# test: count_char("", "x") == 0
# raises ValueError: count_char("banana", "an")
def count_char(text: str, char: str) -> int:
    """Count how often a character occurs.

    Args:
        text: The text to search.
        char: The character to count.

    Returns:
        The number of occurrences.

    Raises:
        ValueError: If char is not one character.

    Example:
        >>> count_char("banana", "a")
        3
    """
    if len(char) != 1:
        raise ValueError("char must be one character")
    return text.count(char)


# prompt: write remove_vowels, it takes a string and gives it back without any vowels (both cases)
# test: remove_vowels("Hello World") == "Hll Wrld"
# test: remove_vowels("aeiou") == ""
# test: remove_vowels("xyz") == "xyz"
def remove_vowels(text: str) -> str:
    """Remove all vowels from a text.

    Args:
        text: The text to shorten.

    Returns:
        The text without vowels.

    Example:
        >>> remove_vowels("Hello World")
        'Hll Wrld'
    """
    return "".join(char for char in text if char.lower() not in "aeiou")


# prompt: Users type names sloppily. I want capitalize_name(name) that trims the ends, makes each word start with a capital and the rest lower case, with single spaces.
# test: capitalize_name("  ada   LOVELACE ") == "Ada Lovelace"
# test: capitalize_name("alan") == "Alan"
# test: capitalize_name("") == ""
def capitalize_name(name: str) -> str:
    """Capitalize each word of a name.

    Args:
        name: The name as typed.

    Returns:
        The tidy name.

    Example:
        >>> capitalize_name("  ada   LOVELACE ")
        'Ada Lovelace'
    """
    return " ".join(word.capitalize() for word in name.split())


# prompt: Write a function `first_unique_char` that returns the first character of a string that occurs only once, or None if there is none.
# test: first_unique_char("aabcb") == "c"
# test: first_unique_char("aabb") is None
# test: first_unique_char("z") == "z"
def first_unique_char(text: str) -> str | None:
    """Find the first character that occurs only once.

    Args:
        text: The text to search.

    Returns:
        The character, or None if there is none.

    Example:
        >>> first_unique_char("aabcb")
        'c'
    """
    for char in text:
        if text.count(char) == 1:
            return char
    return None


# prompt: Check if two strings are anagrams of each other, ignoring case and spaces. Name: are_anagrams(first, second)
# test: are_anagrams("Listen", "Silent") is True
# test: are_anagrams("dormitory", "dirty room") is True
# test: are_anagrams("abc", "abd") is False
def are_anagrams(first: str, second: str) -> bool:
    """Check whether two texts are anagrams.

    Args:
        first: The first text.
        second: The second text.

    Returns:
        True if both have the same letters.

    Example:
        >>> are_anagrams("Listen", "Silent")
        True
    """
    one = sorted(first.replace(" ", "").lower())
    other = sorted(second.replace(" ", "").lower())
    return one == other


# prompt: I'd like swap_ends(text): it exchanges the first and the last character, and a text shorter than two characters stays as it is.
# test: swap_ends("abcd") == "dbca"
# test: swap_ends("ab") == "ba"
# test: swap_ends("x") == "x"
def swap_ends(text: str) -> str:
    """Exchange the first and the last character.

    Args:
        text: The text to change.

    Returns:
        The text with its ends exchanged.

    Example:
        >>> swap_ends("abcd")
        'dbca'
    """
    if len(text) < 2:
        return text
    return text[-1] + text[1:-1] + text[0]


# prompt: Give me a function named truncate(text, limit) that cuts a text to at most `limit` characters and ends it in "..." when it was cut; the dots count too. A limit below 3 should raise a ValueError.
# test: truncate("hello world", 8) == "hello..."
# test: truncate("hi", 5) == "hi"
# test: truncate("abcd", 4) == "abcd"
# raises ValueError: truncate("abc", 2)
def truncate(text: str, limit: int) -> str:
    """Cut a text to a limit and mark the cut.

    Args:
        text: The text to cut.
        limit: The most characters allowed.

    Returns:
        The text, ending in dots if cut.

    Raises:
        ValueError: If limit is below 3.

    Example:
        >>> truncate("hello world", 8)
        'hello...'
    """
    if limit < 3:
        raise ValueError("limit must be at least 3")
    if len(text) <= limit:
        return text
    return text[: limit - 3] + "..."


# prompt: Function word_lengths that maps a sentence to the list of its words' lengths, in order.
# test: word_lengths("to be or not") == [2, 2, 2, 3]
# test: word_lengths("") == []
# test: word_lengths("hello") == [5]
def word_lengths(sentence: str) -> list[int]:
    """List the lengths of a sentence's words.

    Args:
        sentence: The sentence to measure.

    Returns:
        The length of each word.

    Example:
        >>> word_lengths("to be or not")
        [2, 2, 2, 3]
    """
    return [len(word) for word in sentence.split()]


# prompt: i have strings like "aaabbc" and want every run of equal letters squeezed to one, so squeeze("aaabbc") gives "abc"
# test: squeeze("aaabbc") == "abc"
# test: squeeze("abab") == "abab"
# test: squeeze("") == ""
def squeeze(text: str) -> str:
    """Squeeze runs of equal characters to one.

    Args:
        text: The text to squeeze.

    Returns:
        The text without repeats in a row.

    Example:
        >>> squeeze("aaabbc")
        'abc'
    """
    result = ""
    for char in text:
        if not result.endswith(char):
            result += char
    return result


# prompt: Write a Python function `acronym(phrase)` that builds an upper case acronym from the first letters of the words in a phrase.
# test: acronym("random access memory") == "RAM"
# test: acronym("World") == "W"
# test: acronym("") == ""
def acronym(phrase: str) -> str:
    """Build an acronym from a phrase.

    Args:
        phrase: The phrase to shorten.

    Returns:
        The first letters in upper case.

    Example:
        >>> acronym("random access memory")
        'RAM'
    """
    return "".join(word[0].upper() for word in phrase.split())


# prompt: How can I check that every character of a string is different? has_unique_chars("abc") should be True and has_unique_chars("aba") False.
# test: has_unique_chars("abc") is True
# test: has_unique_chars("aba") is False
# test: has_unique_chars("") is True
def has_unique_chars(text: str) -> bool:
    """Check whether all characters are different.

    Args:
        text: The text to check.

    Returns:
        True if no character repeats.

    Example:
        >>> has_unique_chars("aba")
        False
    """
    return len(set(text)) == len(text)


# prompt: Need a function `repeat_text(text, times, separator)` which repeats a text so many times with the separator between. Negative times must give a ValueError.
# test: repeat_text("ha", 3, "-") == "ha-ha-ha"
# test: repeat_text("ha", 0, "-") == ""
# raises ValueError: repeat_text("ha", -1, "-")
def repeat_text(text: str, times: int, separator: str) -> str:
    """Repeat a text with a separator between.

    Args:
        text: The text to repeat.
        times: The number of repetitions.
        separator: The text put between.

    Returns:
        The repeated text.

    Raises:
        ValueError: If times is negative.

    Example:
        >>> repeat_text("ha", 3, "-")
        'ha-ha-ha'
    """
    if times < 0:
        raise ValueError("times must not be negative")
    return separator.join([text] * times)


# prompt: Write is_valid_username(name): 3 to 12 characters, only letters, digits and underscores, and it starts with a letter.
# test: is_valid_username("ada_99") is True
# test: is_valid_username("9lives") is False
# test: is_valid_username("ab") is False
# test: is_valid_username("has space") is False
def is_valid_username(name: str) -> bool:
    """Check whether a user name is allowed.

    Args:
        name: The user name to check.

    Returns:
        True if the name keeps all rules.

    Example:
        >>> is_valid_username("ada_99")
        True
    """
    if not 3 <= len(name) <= 12 or not name[0].isalpha():
        return False
    return all(char.isalnum() or char == "_" for char in name)


# prompt: What's the way to find the common prefix of two strings? name it common_prefix please
# test: common_prefix("flower", "flow") == "flow"
# test: common_prefix("dog", "cat") == ""
# test: common_prefix("", "abc") == ""
def common_prefix(first: str, second: str) -> str:
    """Find the common start of two texts.

    Args:
        first: The first text.
        second: The second text.

    Returns:
        The longest common prefix.

    Example:
        >>> common_prefix("flower", "flown")
        'flow'
    """
    length = 0
    while length < min(len(first), len(second)) and first[length] == second[length]:
        length += 1
    return first[:length]


# prompt: Implement `alternate_case(text)`: characters at even positions upper case, at odd positions lower case.
# test: alternate_case("python") == "PyThOn"
# test: alternate_case("AB") == "Ab"
# test: alternate_case("") == ""
def alternate_case(text: str) -> str:
    """Alternate between upper and lower case.

    Args:
        text: The text to change.

    Returns:
        The text in alternating case.

    Example:
        >>> alternate_case("python")
        'PyThOn'
    """
    return "".join(char.upper() if index % 2 == 0 else char.lower() for index, char in enumerate(text))


# prompt: I want to know where a word stands in a sentence. word_position(sentence, word) should return its index among the words, and raise ValueError when it isn't there.
# test: word_position("the quick fox", "quick") == 1
# test: word_position("a b a", "a") == 0
# raises ValueError: word_position("the quick fox", "dog")
def word_position(sentence: str, word: str) -> int:
    """Find the index of a word in a sentence.

    Args:
        sentence: The sentence to search.
        word: The word to find.

    Returns:
        The index among the words.

    Raises:
        ValueError: If the word is not there.

    Example:
        >>> word_position("the quick fox", "quick")
        1
    """
    words = sentence.split()
    if word not in words:
        raise ValueError("word is not in the sentence")
    return words.index(word)


# prompt: strip punctuation: function strip_punctuation(text) that drops the characters . , ; : ! ? and keeps the rest
# test: strip_punctuation("Hi, you!") == "Hi you"
# test: strip_punctuation("a.b;c:d?") == "abcd"
# test: strip_punctuation("plain") == "plain"
def strip_punctuation(text: str) -> str:
    """Remove the punctuation from a text.

    Args:
        text: The text to clean.

    Returns:
        The text without punctuation.

    Example:
        >>> strip_punctuation("Hi, you!")
        'Hi you'
    """
    return "".join(char for char in text if char not in ".,;:!?")


# prompt: Could you write count_sentences(text)? A sentence ends with ., ! or ? and runs of such marks count once.
# test: count_sentences("Hi. How are you?") == 2
# test: count_sentences("Wait... what?!") == 2
# test: count_sentences("no end") == 0
import re


def count_sentences(text: str) -> int:
    """Count the sentences in a text.

    Args:
        text: The text to search.

    Returns:
        The number of sentence ends.

    Example:
        >>> count_sentences("Hi. How are you?")
        2
    """
    return len(re.findall(r"[.!?]+", text))


# prompt: A function to turn snake_case into camelCase, e.g. to_camel_case("user_first_name") == "userFirstName".
# test: to_camel_case("user_first_name") == "userFirstName"
# test: to_camel_case("name") == "name"
# test: to_camel_case("a_b") == "aB"
def to_camel_case(name: str) -> str:
    """Turn a snake case name into camel case.

    Args:
        name: The name in snake case.

    Returns:
        The name in camel case.

    Example:
        >>> to_camel_case("user_first_name")
        'userFirstName'
    """
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


# prompt: Now the other way: write camel_to_snake(name), which puts an underscore before each capital letter and lowers it.
# test: camel_to_snake("userFirstName") == "user_first_name"
# test: camel_to_snake("name") == "name"
# test: camel_to_snake("aB") == "a_b"
def camel_to_snake(name: str) -> str:
    """Turn a camel case name into snake case.

    Args:
        name: The name in camel case.

    Returns:
        The name in snake case.

    Example:
        >>> camel_to_snake("userFirstName")
        'user_first_name'
    """
    return "".join("_" + char.lower() if char.isupper() else char for char in name)


# prompt: Write a function hamming_distance(first, second) that counts the positions at which two strings of equal length differ; different lengths are a ValueError.
# test: hamming_distance("karolin", "kathrin") == 3
# test: hamming_distance("", "") == 0
# raises ValueError: hamming_distance("a", "ab")
def hamming_distance(first: str, second: str) -> int:
    """Count the positions at which two texts differ.

    Args:
        first: The first text.
        second: The second text.

    Returns:
        The number of different positions.

    Raises:
        ValueError: If the lengths differ.

    Example:
        >>> hamming_distance("karolin", "kathrin")
        3
    """
    if len(first) != len(second):
        raise ValueError("texts must have the same length")
    return sum(one != other for one, other in zip(first, second))


# prompt: I'm writing a quiz game and need to hide an answer: hide_letters("sun set") should return "___ ___", spaces stay.
# test: hide_letters("sun set") == "___ ___"
# test: hide_letters("") == ""
# test: hide_letters("a b") == "_ _"
def hide_letters(answer: str) -> str:
    """Replace all but spaces by underscores.

    Args:
        answer: The answer to hide.

    Returns:
        The hidden answer.

    Example:
        >>> hide_letters("sun set")
        '___ ___'
    """
    return "".join(" " if char == " " else "_" for char in answer)


# prompt: Please write `ends_with_any(text, endings)` that tells whether a text ends with one of the endings in a list.
# test: ends_with_any("photo.jpg", [".png", ".jpg"]) is True
# test: ends_with_any("notes.txt", [".png"]) is False
# test: ends_with_any("x", []) is False
def ends_with_any(text: str, endings: list[str]) -> bool:
    """Check whether a text ends with one of many endings.

    Args:
        text: The text to check.
        endings: The endings to look for.

    Returns:
        True if one ending fits.

    Example:
        >>> ends_with_any("photo.jpg", [".png", ".jpg"])
        True
    """
    return any(text.endswith(ending) for ending in endings)


# prompt: make a function that counts the upper case letters in a string
# test: count_upper("Hello World") == 2
# test: count_upper("abc") == 0
# test: count_upper("ABC") == 3
def count_upper(text: str) -> int:
    """Count the upper case letters in a text.

    Args:
        text: The text to search.

    Returns:
        The number of upper case letters.

    Example:
        >>> count_upper("Hello World")
        2
    """
    return sum(char.isupper() for char in text)


# prompt: Function `insert_every(text, step, mark)` that puts the mark between groups of `step` characters: insert_every("12345678", 4, " ") gives "1234 5678". step below 1 raises ValueError.
# test: insert_every("12345678", 4, " ") == "1234 5678"
# test: insert_every("abc", 2, "-") == "ab-c"
# raises ValueError: insert_every("abc", 0, "-")
def insert_every(text: str, step: int, mark: str) -> str:
    """Put a mark between groups of characters.

    Args:
        text: The text to divide.
        step: The characters in a group.
        mark: The mark put between.

    Returns:
        The divided text.

    Raises:
        ValueError: If step is below 1.

    Example:
        >>> insert_every("12345678", 4, " ")
        '1234 5678'
    """
    if step < 1:
        raise ValueError("step must be at least 1")
    return mark.join(text[start : start + step] for start in range(0, len(text), step))


# prompt: given a string, how do I list all positions of a letter? use the name char_positions(text, char)
# test: char_positions("banana", "a") == [1, 3, 5]
# test: char_positions("abc", "z") == []
# test: char_positions("zz", "z") == [0, 1]
def char_positions(text: str, char: str) -> list[int]:
    """List all positions of a character.

    Args:
        text: The text to search.
        char: The character to find.

    Returns:
        The positions in order.

    Example:
        >>> char_positions("banana", "a")
        [1, 3, 5]
    """
    return [index for index, other in enumerate(text) if other == char]


# prompt: Write a function most_common_letter that returns the letter occurring most often in a text, case ignored and in lower case; other characters don't count. Raise a ValueError when there are no letters.
# test: most_common_letter("Hello") == "l"
# test: most_common_letter("AAb1111") == "a"
# raises ValueError: most_common_letter("123")
def most_common_letter(text: str) -> str:
    """Find the letter that occurs most often.

    Args:
        text: The text to search.

    Returns:
        The letter in lower case.

    Raises:
        ValueError: If the text has no letters.

    Example:
        >>> most_common_letter("Hello")
        'l'
    """
    letters = [char for char in text.lower() if char.isalpha()]
    if not letters:
        raise ValueError("text has no letters")
    return max(letters, key=letters.count)
