# prompt: A number is automorphic when its square ends in the number itself, like 25 and 625. Please code is_automorphic for non-negative integers.
# test: is_automorphic(25) is True
# test: is_automorphic(76) is True
# test: is_automorphic(0) is True
# test: is_automorphic(7) is False
def is_automorphic(number: int) -> bool:
    """Check whether a number is automorphic.

    Args:
        number: The non-negative integer to check.

    Returns:
        True if its square ends in the number.

    Example:
        >>> is_automorphic(6)
        True
    """
    return str(number**2).endswith(str(number))


# prompt: Could you code has_rising_digits? 1358 qualifies because each digit is larger than the one before it; 1335 and 321 do not. Only positive integers go in.
# test: has_rising_digits(1358) is True
# test: has_rising_digits(1335) is False
# test: has_rising_digits(321) is False
# test: has_rising_digits(4) is True
def has_rising_digits(number: int) -> bool:
    """Check whether the digits keep rising.

    Args:
        number: The positive integer to check.

    Returns:
        True if each digit exceeds the previous one.

    Example:
        >>> has_rising_digits(259)
        True
    """
    digits = str(number)
    return all(left < right for left, right in zip(digits, digits[1:]))


# prompt: I owe some money and pay back a fixed sum monthly, interest free. Code payments_needed(debt, payment) to count the payments, a smaller last one included; a payment that is not positive should raise a ValueError.
# test: payments_needed(100, 25) == 4
# test: payments_needed(101, 25) == 5
# test: payments_needed(0, 10) == 0
# raises ValueError: payments_needed(100, 0)
# raises ValueError: payments_needed(100, -5)
def payments_needed(debt: int, payment: int) -> int:
    """Count the payments until a debt is gone.

    Args:
        debt: The money owed.
        payment: The money paid each month.

    Returns:
        The number of payments.

    Raises:
        ValueError: If the payment is not positive.

    Example:
        >>> payments_needed(90, 40)
        3
    """
    if payment <= 0:
        raise ValueError("payment must be positive")
    last = 1 if debt % payment else 0
    return debt // payment + last


# prompt: `percentile_rank(values, score)`: what percent of the values lie strictly below the score? With [10, 20, 30, 40] and 30 the answer is 50.0.
# test: percentile_rank([10, 20, 30, 40], 30) == 50.0
# test: percentile_rank([10, 20, 30, 40], 5) == 0
# test: percentile_rank([10, 20, 30, 40], 99) == 100
# test: percentile_rank([3, 3, 1, 3], 3) == 25
def percentile_rank(values: list[float], score: float) -> float:
    """Compute the percentile rank of a score.

    Args:
        values: The values to compare with.
        score: The score to rank.

    Returns:
        The percent of values below the score.

    Example:
        >>> percentile_rank([1, 2, 3, 4], 2)
        25.0
    """
    below = sum(value < score for value in values)
    return 100 * below / len(values)


# prompt: Looking at a signal of nonzero integers, I'd count how often a value has the opposite sign of its predecessor. count_sign_changes would be a good name.
# test: count_sign_changes([1, -2, 3]) == 2
# test: count_sign_changes([4, 5, 6]) == 0
# test: count_sign_changes([]) == 0
# test: count_sign_changes([-1, -1, 8, 9, -2]) == 2
def count_sign_changes(signal: list[int]) -> int:
    """Count the sign changes in a signal.

    Args:
        signal: The nonzero values in order.

    Returns:
        The number of sign changes.

    Example:
        >>> count_sign_changes([2, -1, -3])
        1
    """
    return sum(before * after < 0 for before, after in zip(signal, signal[1:]))


# prompt: Our sellers earn 5 percent on the first 1000 dollars sold and 10 percent on everything beyond that. What would a function for a seller's commission look like?
# test: abs(commission(500) - 25) < 1e-9
# test: abs(commission(1000) - 50) < 1e-9
# test: abs(commission(3000) - 250) < 1e-9
# test: commission(0) == 0
def commission(sold: float) -> float:
    """Compute the commission of a seller.

    Args:
        sold: The dollars sold.

    Returns:
        The commission in dollars.

    Example:
        >>> commission(2000)
        150.0
    """
    first = min(sold, 1000)
    return first * 5 / 100 + (sold - first) * 10 / 100


# prompt: something that takes an integer and gives a sorted list of the digits 0-9 that never show up in it
# test: missing_digits(1234567890) == []
# test: missing_digits(123456789) == [0]
# test: missing_digits(0) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
# test: missing_digits(-2468) == [0, 1, 3, 5, 7, 9]
def missing_digits(number: int) -> list[int]:
    """Find the digits that a number lacks.

    Args:
        number: The integer to look at.

    Returns:
        The absent digits in rising order.

    Example:
        >>> missing_digits(9876543)
        [0, 1, 2]
    """
    return [digit for digit in range(10) if str(digit) not in str(number)]


# prompt: From a keypad I receive a non-empty list like [4, 0, 7] and want the integer 407. Build join_digits for it, and have it raise a ValueError if an item is not within 0 to 9.
# test: join_digits([4, 0, 7]) == 407
# test: join_digits([0, 5]) == 5
# test: join_digits([9]) == 9
# raises ValueError: join_digits([1, 10])
# raises ValueError: join_digits([-1, 2])
def join_digits(digits: list[int]) -> int:
    """Join single digits into an integer.

    Args:
        digits: The digits from left to right.

    Returns:
        The integer with these digits.

    Raises:
        ValueError: If an item is not a digit.

    Example:
        >>> join_digits([1, 2, 3])
        123
    """
    if any(not 0 <= digit <= 9 for digit in digits):
        raise ValueError("digits must be within 0 to 9")
    return int("".join(str(digit) for digit in digits))


# prompt: Between low and high, both included, how many integers can be divided by k? Provide `count_multiples(low: int, high: int, k: int) -> int`.
# test: count_multiples(1, 10, 3) == 3
# test: count_multiples(5, 5, 5) == 1
# test: count_multiples(7, 8, 10) == 0
# test: count_multiples(-4, 4, 2) == 5
def count_multiples(low: int, high: int, k: int) -> int:
    """Count the multiples in a range.

    Args:
        low: The start of the range.
        high: The end of the range, included.
        k: The number to divide by.

    Returns:
        The number of multiples of k.

    Example:
        >>> count_multiples(1, 20, 6)
        3
    """
    return sum(number % k == 0 for number in range(low, high + 1))
