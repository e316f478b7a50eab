# prompt: Write a Python function is_prime that tells whether an integer is a prime number.
# test: is_prime(2) is True
# test: is_prime(97) is True
# test: is_prime(91) is False
# test: is_prime(1) is False
# test: is_prime(-7) is False
def is_prime(number: int) -> bool:
    """Check whether a number is prime.

    Args:
        number: The integer to check.

    Returns:
        True if the number is prime.

    Example:
        >>> is_prime(13)
        True
    """
    if number < 2:
        return False
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


# prompt: I need a function called factorial that computes n! with a loop. It should raise a ValueError when n is negative.
# test: factorial(0) == 1
# test: factorial(1) == 1
# test: factorial(6) == 720
# raises ValueError: factorial(-1)
def factorial(n: int) -> int:
    """Compute the factorial of a number.

    Args:
        n: The number to multiply up to.

    Returns:
        The product of 1 to n.

    Raises:
        ValueError: If n is negative.

    Example:
        >>> factorial(5)
        120
    """
    if n < 0:
        raise ValueError("n must not be negative")
    result = 1
    for factor in range(2, n + 1):
        result *= factor
    return result


# prompt: python function `fibonacci(n)` for the n-th Fibonacci number, where fibonacci(0) is 0 and fibonacci(1) is 1
# test: fibonacci(0) == 0
# test: fibonacci(1) == 1
# test: fibonacci(2) == 1
# test: fibonacci(20) == 6765
def fibonacci(n: int) -> int:
    """Compute the n-th Fibonacci number.

    Args:
        n: The position, counted from zero.

    Returns:
        The Fibonacci number at that position.

    Example:
        >>> fibonacci(10)
        55
    """
    current, following = 0, 1
    for _ in range(n):
        current, following = following, current + following
    return current


# prompt: Implement `gcd(a: int, b: int) -> int`, the greatest common divisor of two non-negative integers, with Euclid's algorithm.
# test: gcd(12, 18) == 6
# test: gcd(17, 5) == 1
# test: gcd(0, 9) == 9
# test: gcd(100, 25) == 25
def gcd(a: int, b: int) -> int:
    """Find the greatest common divisor of two numbers.

    Args:
        a: The first number.
        b: The second number.

    Returns:
        The largest number dividing both.

    Example:
        >>> gcd(48, 36)
        12
    """
    while b:
        a, b = b, a % b
    return a


# prompt: Create digit_sum, a function that adds up the decimal digits of an integer and ignores a minus sign. Anything that is not an int should give a TypeError.
# test: digit_sum(1234) == 10
# test: digit_sum(-56) == 11
# test: digit_sum(0) == 0
# raises TypeError: digit_sum("12")
# raises TypeError: digit_sum(1.5)
def digit_sum(number: int) -> int:
    """Add up the digits of an integer.

    Args:
        number: The integer, of any sign.

    Returns:
        The sum of its digits.

    Raises:
        TypeError: If the number is not an integer.

    Example:
        >>> digit_sum(907)
        16
    """
    if not isinstance(number, int):
        raise TypeError("number must be an integer")
    return sum(int(digit) for digit in str(abs(number)))


# prompt: How can I check if a non-negative integer is a perfect square without floating point trouble? Name it is_perfect_square.
# test: is_perfect_square(0) is True
# test: is_perfect_square(49) is True
# test: is_perfect_square(50) is False
# test: is_perfect_square(10**20) is True
# test: is_perfect_square(10**20 + 1) is False
import math


def is_perfect_square(number: int) -> bool:
    """Check whether a number is a perfect square.

    Args:
        number: The non-negative integer.

    Returns:
        True if its square root is whole.

    Example:
        >>> is_perfect_square(36)
        True
    """
    return math.isqrt(number) ** 2 == number


# prompt: Write `mean(numbers)` that returns the arithmetic mean of a list of numbers, and raise a ValueError if the list is empty.
# test: mean([1, 2, 3, 4]) == 2.5
# test: mean([7]) == 7
# test: mean([-2, 2]) == 0
# raises ValueError: mean([])
def mean(numbers: list[float]) -> float:
    """Compute the arithmetic mean of numbers.

    Args:
        numbers: The numbers to average.

    Returns:
        The mean of the numbers.

    Raises:
        ValueError: If the list is empty.

    Example:
        >>> mean([2, 4, 9])
        5.0
    """
    if not numbers:
        raise ValueError("numbers must not be empty")
    return sum(numbers) / len(numbers)


# prompt: can you write median for me? it gets a non-empty unsorted list of numbers; with an even count it gives the mean of the two middle ones
# test: median([3, 1, 2]) == 2
# test: median([4, 1, 3, 2]) == 2.5
# test: median([9]) == 9
# test: median([10, -10]) == 0
def median(numbers: list[float]) -> float:
    """Find the median of a list of numbers.

    Args:
        numbers: The numbers, in any order.

    Returns:
        The middle value of the numbers.

    Example:
        >>> median([5, 1, 9])
        5
    """
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


# prompt: Give me a function percentage(part, whole) so that percentage(1, 4) gives 25.0. A whole of zero must raise a ValueError.
# test: percentage(1, 4) == 25.0
# test: percentage(0, 10) == 0
# test: percentage(30, 20) == 150
# raises ValueError: percentage(5, 0)
def percentage(part: float, whole: float) -> float:
    """Express a part as a percentage of the whole.

    Args:
        part: The part to express.
        whole: The value that counts as 100 percent.

    Returns:
        The percentage.

    Raises:
        ValueError: If the whole is zero.

    Example:
        >>> percentage(3, 4)
        75.0
    """
    if whole == 0:
        raise ValueError("whole must not be zero")
    return 100 * part / whole


# prompt: For a Collatz experiment I want collatz_steps(n): how many steps (halve if even, else 3n + 1) does a positive n need to reach 1?
# test: collatz_steps(1) == 0
# test: collatz_steps(2) == 1
# test: collatz_steps(3) == 7
# test: collatz_steps(27) == 111
def collatz_steps(n: int) -> int:
    """Count the Collatz steps until a number reaches 1.

    Args:
        n: The positive number to start from.

    Returns:
        The number of steps.

    Example:
        >>> collatz_steps(6)
        8
    """
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        steps += 1
    return steps


# prompt: Write a function prime_factors that breaks a positive integer into its prime factors, smallest first and with repeats, e.g. 12 into [2, 2, 3].
# test: prime_factors(12) == [2, 2, 3]
# test: prime_factors(13) == [13]
# test: prime_factors(360) == [2, 2, 2, 3, 3, 5]
# test: prime_factors(1) == []
def prime_factors(number: int) -> list[int]:
    """Split a number into its prime factors.

    Args:
        number: The positive integer to split.

    Returns:
        The prime factors in rising order.

    Example:
        >>> prime_factors(20)
        [2, 2, 5]
    """
    factors = []
    for divisor in range(2, number + 1):
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
    return factors


# prompt: I'd like `to_base(number, base)` which writes a non-negative integer as a string of digits in a base from 2 to 10.
# test: to_base(5, 2) == "101"
# test: to_base(255, 8) == "377"
# test: to_base(0, 3) == "0"
# test: to_base(42, 10) == "42"
def to_base(number: int, base: int) -> str:
    """Write a number in another base.

    Args:
        number: The non-negative integer to write.
        base: The base, from 2 to 10.

    Returns:
        The digits in that base.

    Example:
        >>> to_base(10, 2)
        '1010'
    """
    digits = ""
    while number >= base:
        number, digit = divmod(number, base)
        digits = str(digit) + digits
    return str(number) + digits


# prompt: An Armstrong number equals the sum of its own digits, each raised to the number of digits (153 = 1 + 125 + 27). Write is_armstrong for non-negative integers.
# test: is_armstrong(153) is True
# test: is_armstrong(9474) is True
# test: is_armstrong(7) is True
# test: is_armstrong(154) is False
def is_armstrong(number: int) -> bool:
    """Check whether a number is an Armstrong number.

    Args:
        number: The non-negative integer to check.

    Returns:
        True if it is an Armstrong number.

    Example:
        >>> is_armstrong(371)
        True
    """
    digits = str(number)
    return number == sum(int(digit) ** len(digits) for digit in digits)


# prompt: need `clamp(value, low, high)`: force a number into the range low..high and return it
# test: clamp(5, 0, 10) == 5
# test: clamp(-3, 0, 10) == 0
# test: clamp(99, 0, 10) == 10
# test: clamp(10, 0, 10) == 10
def clamp(value: float, low: float, high: float) -> float:
    """Limit a value to a range.

    Args:
        value: The value to limit.
        low: The smallest allowed value.
        high: The largest allowed value.

    Returns:
        The value inside the range.

    Example:
        >>> clamp(15, 0, 10)
        10
    """
    return max(low, min(value, high))


# prompt: How do I turn a list of daily sales into a list of running totals? For example [1, 2, 3] should become [1, 3, 6].
# test: running_totals([1, 2, 3]) == [1, 3, 6]
# test: running_totals([]) == []
# test: running_totals([5]) == [5]
# test: running_totals([4, -4, 10]) == [4, 0, 10]
def running_totals(sales: list[int]) -> list[int]:
    """Compute the running totals of a list.

    Args:
        sales: The daily sales.

    Returns:
        The total after each day.

    Example:
        >>> running_totals([2, 3, 5])
        [2, 5, 10]
    """
    totals, total = [], 0
    for sale in sales:
        total += sale
        totals.append(total)
    return totals


# prompt: Implement `round_to_nearest(number: int, step: int) -> int`, which rounds to the nearest multiple of step, so round_to_nearest(23, 10) is 20.
# test: round_to_nearest(23, 10) == 20
# test: round_to_nearest(28, 10) == 30
# test: round_to_nearest(14, 7) == 14
# test: round_to_nearest(-9, 4) == -8
def round_to_nearest(number: int, step: int) -> int:
    """Round a number to the nearest multiple.

    Args:
        number: The number to round.
        step: The multiple to round to.

    Returns:
        The nearest multiple of the step.

    Example:
        >>> round_to_nearest(23, 5)
        25
    """
    return round(number / step) * step


# prompt: We split restaurant bills. Write split_bill(cents, people) returning a list with each person's share in whole cents; the first ones pay a cent more if it does not divide evenly. Fewer than one person is a ValueError.
# test: split_bill(100, 3) == [34, 33, 33]
# test: split_bill(80, 2) == [40, 40]
# test: split_bill(11, 4) == [3, 3, 3, 2]
# raises ValueError: split_bill(100, 0)
def split_bill(cents: int, people: int) -> list[int]:
    """Split a bill into fair shares.

    Args:
        cents: The amount to split.
        people: The number of people.

    Returns:
        The share of each person in cents.

    Raises:
        ValueError: If there is no person to pay.

    Example:
        >>> split_bill(50, 4)
        [13, 13, 12, 12]
    """
    if people < 1:
        raise ValueError("people must be at least 1")
    share, extra = divmod(cents, people)
    return [share + 1] * extra + [share] * (people - extra)


# prompt: Write apply_discount(price, percent), which takes percent off a price and rounds to 2 decimals. Raise a ValueError if percent is not between 0 and 100.
# test: apply_discount(80, 25) == 60
# test: apply_discount(19.99, 0) == 19.99
# test: apply_discount(50, 100) == 0
# raises ValueError: apply_discount(10, -1)
# raises ValueError: apply_discount(10, 101)
def apply_discount(price: float, percent: float) -> float:
    """Reduce a price by a percentage.

    Args:
        price: The full price.
        percent: The discount in percent.

    Returns:
        The reduced price.

    Raises:
        ValueError: If the percent is outside 0 to 100.

    Example:
        >>> apply_discount(200, 10)
        180.0
    """
    if not 0 <= percent <= 100:
        raise ValueError("percent must be between 0 and 100")
    return round(price * (1 - percent / 100), 2)


# prompt: What will my savings be worth? I want compound_balance(amount, rate, years) with a yearly rate in percent, compounded once a year, rounded to cents.
# test: compound_balance(1000, 10, 2) == 1210.0
# test: compound_balance(500, 0, 8) == 500
# test: compound_balance(100, 5, 0) == 100
# test: compound_balance(1000, 3, 10) == 1343.92
def compound_balance(amount: float, rate: float, years: int) -> float:
    """Compute a balance with compound interest.

    Args:
        amount: The amount at the start.
        rate: The yearly rate in percent.
        years: The number of years.

    Returns:
        The balance at the end.

    Example:
        >>> compound_balance(100, 10, 1)
        110.0
    """
    return round(amount * (1 + rate / 100) ** years, 2)


# prompt: Given an amount in cents, list the coins (25, 10, 5 and 1) a cashier hands out, largest first, with as few coins as possible.
# test: make_change(41) == [25, 10, 5, 1]
# test: make_change(0) == []
# test: make_change(50) == [25, 25]
# test: make_change(4) == [1, 1, 1, 1]
def make_change(cents: int) -> list[int]:
    """List the coins for an amount of change.

    Args:
        cents: The amount to pay out.

    Returns:
        The coins, largest first.

    Example:
        >>> make_change(30)
        [25, 5]
    """
    coins = []
    for coin in (25, 10, 5, 1):
        coins += [coin] * (cents // coin)
        cents %= coin
    return coins


# prompt: write reverse_digits, which flips the digits of an integer and keeps its sign: -120 becomes -21
# test: reverse_digits(123) == 321
# test: reverse_digits(-120) == -21
# test: reverse_digits(0) == 0
# test: reverse_digits(500) == 5
def reverse_digits(number: int) -> int:
    """Reverse the digits of an integer.

    Args:
        number: The integer to reverse.

    Returns:
        The reversed integer with the same sign.

    Example:
        >>> reverse_digits(472)
        274
    """
    flipped = int(str(abs(number))[::-1])
    return -flipped if number < 0 else flipped


# prompt: Write convert_currency(amount, currency, rates) that multiplies the amount by rates[currency] and rounds to 2 decimals. It should raise a KeyError if the currency is not in the rates dict.
# test: convert_currency(10, "EUR", {"EUR": 0.5}) == 5
# test: convert_currency(0, "GBP", {"GBP": 0.8}) == 0
# test: convert_currency(3, "YEN", {"EUR": 0.9, "YEN": 150.0}) == 450
# raises KeyError: convert_currency(10, "USD", {"EUR": 0.5})
def convert_currency(amount: float, currency: str, rates: dict[str, float]) -> float:
    """Convert an amount into another currency.

    Args:
        amount: The amount of money.
        currency: The currency to convert to.
        rates: The rate of each currency.

    Returns:
        The converted amount.

    Raises:
        KeyError: If the currency is unknown.

    Example:
        >>> convert_currency(20, "EUR", {"EUR": 0.9})
        18.0
    """
    if currency not in rates:
        raise KeyError("currency must be in rates")
    return round(amount * rates[currency], 2)


# prompt: Please write a function that lists all positive divisors of a positive integer in ascending order, 1 and the number itself included.
# test: divisors(12) == [1, 2, 3, 4, 6, 12]
# test: divisors(1) == [1]
# test: divisors(7) == [1, 7]
# test: divisors(16) == [1, 2, 4, 8, 16]
def divisors(number: int) -> list[int]:
    """List the divisors of a number.

    Args:
        number: The positive integer to divide.

    Returns:
        The divisors in rising order.

    Example:
        >>> divisors(10)
        [1, 2, 5, 10]
    """
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


# prompt: I'm printing race results and need `ordinal`, which turns 1 into "1st", 2 into "2nd", 11 into "11th" and so on.
# test: ordinal(1) == "1st"
# test: ordinal(22) == "22nd"
# test: ordinal(113) == "113th"
# test: ordinal(103) == "103rd"
# test: ordinal(12) == "12th"
def ordinal(number: int) -> str:
    """Write a number with its ordinal suffix.

    Args:
        number: The positive integer to write.

    Returns:
        The number with st, nd, rd or th.

    Example:
        >>> ordinal(3)
        '3rd'
    """
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    suffixes = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{suffixes.get(number % 10, 'th')}"


# prompt: Write a statistics helper `mode` that finds the most frequent number in a non-empty list; when several are tied, return the smallest of them.
# test: mode([1, 2, 2, 3]) == 2
# test: mode([5, 5, 1, 1]) == 1
# test: mode([9]) == 9
# test: mode([3, 2, 1]) == 1
def mode(numbers: list[int]) -> int:
    """Find the most frequent number.

    Args:
        numbers: The numbers to count.

    Returns:
        The smallest of the most frequent numbers.

    Example:
        >>> mode([4, 7, 7, 1])
        7
    """
    highest = max(numbers.count(number) for number in numbers)
    return min(number for number in numbers if numbers.count(number) == highest)


# prompt: Which number in a list is closest to a target? Write closest_number(numbers, target); the first one wins a tie, and an empty list raises a ValueError.
# test: closest_number([1, 5, 9], 6) == 5
# test: closest_number([4, 6], 5) == 4
# test: closest_number([-10, 3], -4) == -10
# raises ValueError: closest_number([], 3)
def closest_number(numbers: list[int], target: int) -> int:
    """Find the number closest to a target.

    Args:
        numbers: The numbers to choose from.
        target: The number to come close to.

    Returns:
        The closest number.

    Raises:
        ValueError: If the list is empty.

    Example:
        >>> closest_number([10, 20, 30], 22)
        20
    """
    if not numbers:
        raise ValueError("numbers must not be empty")
    return min(numbers, key=lambda number: abs(number - target))


# prompt: For a chart I have to scale a list of numbers linearly so that the smallest becomes 0.0 and the largest 1.0. Call it scale_to_unit; the numbers are never all equal.
# test: scale_to_unit([0, 5, 10]) == [0.0, 0.5, 1.0]
# test: scale_to_unit([8, 4]) == [1.0, 0.0]
# test: scale_to_unit([-1, 0, 3]) == [0.0, 0.25, 1.0]
def scale_to_unit(numbers: list[float]) -> list[float]:
    """Scale numbers to the range from 0 to 1.

    Args:
        numbers: The numbers to scale.

    Returns:
        The scaled numbers in the same order.

    Example:
        >>> scale_to_unit([2, 3, 4])
        [0.0, 0.5, 1.0]
    """
    low, high = min(numbers), max(numbers)
    return [(number - low) / (high - low) for number in numbers]


# prompt: fizzbuzz for a single number please: "Fizz" for multiples of 3, "Buzz" for multiples of 5, "FizzBuzz" for both, else the number as a string
# test: fizzbuzz(3) == "Fizz"
# test: fizzbuzz(10) == "Buzz"
# test: fizzbuzz(30) == "FizzBuzz"
# test: fizzbuzz(7) == "7"
def fizzbuzz(number: int) -> str:
    """Give the FizzBuzz word for a number.

    Args:
        number: The number to translate.

    Returns:
        The word, or the number as text.

    Example:
        >>> fizzbuzz(15)
        'FizzBuzz'
    """
    word = "Fizz" * (number % 3 == 0) + "Buzz" * (number % 5 == 0)
    return word or str(number)


# prompt: Implement `weighted_mean(values: list[float], weights: list[float]) -> float`. If the two lists differ in length, a ValueError must be raised.
# test: weighted_mean([1, 3], [1, 1]) == 2
# test: weighted_mean([10, 20], [3, 1]) == 12.5
# test: weighted_mean([4], [9]) == 4
# raises ValueError: weighted_mean([1, 2], [1])
def weighted_mean(values: list[float], weights: list[float]) -> float:
    """Compute the weighted mean of values.

    Args:
        values: The values to average.
        weights: The weight of each value.

    Returns:
        The weighted mean.

    Raises:
        ValueError: If the lists differ in length.

    Example:
        >>> weighted_mean([5, 8], [1, 2])
        7.0
    """
    if len(values) != len(weights):
        raise ValueError("values and weights must have the same length")
    total = sum(value * weight for value, weight in zip(values, weights))
    return total / sum(weights)


# prompt: I want to smooth sensor data: moving_average(numbers, size) gives the mean of every full window of size neighbours. Reject a size below 1 with a ValueError.
# test: moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]
# test: moving_average([3, 6, 9], 3) == [6.0]
# test: moving_average([1, 2], 5) == []
# raises ValueError: moving_average([1, 2], 0)
def moving_average(numbers: list[float], size: int) -> list[float]:
    """Compute the moving average of numbers.

    Args:
        numbers: The numbers to smooth.
        size: The length of each window.

    Returns:
        The mean of each full window.

    Raises:
        ValueError: If the size is below 1.

    Example:
        >>> moving_average([2, 4, 6], 2)
        [3.0, 5.0]
    """
    if size < 1:
        raise ValueError("size must be at least 1")
    starts = range(len(numbers) - size + 1)
    return [sum(numbers[start : start + size]) / size for start in starts]


# prompt: Is there a short way to test if a list of integers is an arithmetic sequence (same step everywhere)? Name it is_arithmetic; lists with fewer than three items count as True.
# test: is_arithmetic([3, 5, 7, 9]) is True
# test: is_arithmetic([1, 2, 4]) is False
# test: is_arithmetic([10, 5, 0]) is True
# test: is_arithmetic([8]) is True
# test: is_arithmetic([]) is True
def is_arithmetic(numbers: list[int]) -> bool:
    """Check whether numbers form an arithmetic sequence.

    Args:
        numbers: The sequence to check.

    Returns:
        True if all steps are equal.

    Example:
        >>> is_arithmetic([2, 4, 6])
        True
    """
    steps = {after - before for before, after in zip(numbers, numbers[1:])}
    return len(steps) <= 1


# prompt: Write a function pascal_row that returns row n of Pascal's triangle as a list, counting from row 0, which is [1].
# test: pascal_row(0) == [1]
# test: pascal_row(1) == [1, 1]
# test: pascal_row(4) == [1, 4, 6, 4, 1]
# test: sum(pascal_row(10)) == 1024
def pascal_row(n: int) -> list[int]:
    """Build a row of Pascal's triangle.

    Args:
        n: The row, counted from zero.

    Returns:
        The numbers in that row.

    Example:
        >>> pascal_row(3)
        [1, 3, 3, 1]
    """
    row = [1]
    for _ in range(n):
        row = [1] + [left + right for left, right in zip(row, row[1:])] + [1]
    return row


# prompt: My export has prices such as "$1,234.50". Can you write a function that parses such a text into a whole number of cents?
# test: parse_price("$1,234.50") == 123450
# test: parse_price("$0.99") == 99
# test: parse_price("$7.00") == 700
# test: parse_price("$1,000,000.00") == 100000000
def parse_price(text: str) -> int:
    """Parse a price into cents.

    Args:
        text: The price with a dollar sign.

    Returns:
        The price in cents.

    Example:
        >>> parse_price("$12.30")
        1230
    """
    number = text.replace("$", "").replace(",", "")
    return round(float(number) * 100)


# prompt: Make a function `average_rating(stars)` where stars maps a rating from 1 to 5 to its number of votes; round the result to one decimal, and return 0.0 without any votes.
# test: average_rating({5: 1, 4: 1}) == 4.5
# test: average_rating({}) == 0.0
# test: average_rating({3: 0}) == 0.0
# test: average_rating({1: 1, 5: 2}) == 3.7
def average_rating(stars: dict[int, int]) -> float:
    """Compute the average of star ratings.

    Args:
        stars: The number of votes per rating.

    Returns:
        The average, or 0.0 without votes.

    Example:
        >>> average_rating({5: 3, 1: 1})
        4.0
    """
    votes = sum(stars.values())
    if votes == 0:
        return 0.0
    return round(sum(rating * count for rating, count in stars.items()) / votes, 1)


# prompt: Sales went from old to new; by how many percent did they change? From 80 to 100 is 25.0 and a drop is negative; the function takes old first, then new.
# test: percent_change(80, 100) == 25.0
# test: percent_change(50, 25) == -50
# test: percent_change(10, 10) == 0
# test: percent_change(4, 12) == 200
def percent_change(old: float, new: float) -> float:
    """Compute the change in percent.

    Args:
        old: The value before.
        new: The value after.

    Returns:
        The change relative to the old value.

    Example:
        >>> percent_change(200, 150)
        -25.0
    """
    return (new - old) / old * 100


# prompt: Write the population variance of a non-empty list of numbers as a function named variance: the mean of the squared distances from the mean.
# test: variance([2, 2, 2]) == 0
# test: variance([1, 3]) == 1
# test: variance([2, 4, 4, 4, 5, 5, 7, 9]) == 4
# test: variance([6]) == 0
def variance(numbers: list[float]) -> float:
    """Compute the population variance of numbers.

    Args:
        numbers: The numbers to measure.

    Returns:
        The mean squared distance from the mean.

    Example:
        >>> variance([1, 5])
        4.0
    """
    center = sum(numbers) / len(numbers)
    return sum((number - center) ** 2 for number in numbers) / len(numbers)


# prompt: I'm validating card numbers given as strings of digits. Write passes_luhn to run the Luhn check: from the right, double every second digit, add up all digits, and the total must divide by 10.
# test: passes_luhn("4539578763621486") is True
# test: passes_luhn("79927398713") is True
# test: passes_luhn("79927398710") is False
# test: passes_luhn("0") is True
def passes_luhn(number: str) -> bool:
    """Run the Luhn check on a card number.

    Args:
        number: The digits of the card number.

    Returns:
        True if the number passes.

    Example:
        >>> passes_luhn("18")
        True
    """
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


# prompt: least common multiple of a whole list of positive integers, so [4, 6, 10] gives 60 and an empty list gives 1
# test: least_common_multiple([4, 6, 10]) == 60
# test: least_common_multiple([]) == 1
# test: least_common_multiple([7]) == 7
# test: least_common_multiple([2, 3, 5]) == 30
import math


def least_common_multiple(numbers: list[int]) -> int:
    """Find the least common multiple of numbers.

    Args:
        numbers: The positive integers.

    Returns:
        The smallest number all of them divide.

    Example:
        >>> least_common_multiple([4, 6])
        12
    """
    return math.lcm(*numbers)
