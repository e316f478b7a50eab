# prompt: A radioactive sample loses half of itself every half_life hours. Code remaining_amount(amount, half_life, hours) to say how much is left.
# test: abs(remaining_amount(100, 5, 5) - 50) < 1e-9
# test: abs(remaining_amount(80, 2, 6) - 10) < 1e-9
# test: abs(remaining_amount(7, 3, 0) - 7) < 1e-9
# test: abs(remaining_amount(8, 4, 2) - 8 / 2**0.5) < 1e-9
def remaining_amount(amount: float, half_life: float, hours: float) -> float:
    """Compute what remains of a decaying sample.

    Args:
        amount: The amount at the start.
        half_life: The half-life in hours.
        hours: The hours that passed.

    Returns:
        The amount that is left.

    Example:
        >>> remaining_amount(40, 10, 20)
        10.0
    """
    halvings = hours / half_life
    return amount / 2**halvings


# prompt: Robots turn a lot: bring any whole angle in degrees into the range from -180 (included) to 180 (excluded), as in normalize_angle(270) == -90.
# test: normalize_angle(270) == -90
# test: normalize_angle(0) == 0
# test: normalize_angle(180) == -180
# test: normalize_angle(-190) == 170
# test: normalize_angle(725) == 5
def normalize_angle(angle: int) -> int:
    """Move an angle into the range -180 to 180.

    Args:
        angle: The angle in degrees.

    Returns:
        The same direction within the range.

    Example:
        >>> normalize_angle(200)
        -160
    """
    angle %= 360
    return angle - 360 if angle >= 180 else angle


# prompt: In electronics class we combine resistors in parallel (one over the sum of the reciprocals). Build parallel_resistance for a list of ohms; it must raise a ValueError when any value is not positive.
# test: abs(parallel_resistance([10, 10]) - 5) < 1e-9
# test: abs(parallel_resistance([4]) - 4) < 1e-9
# test: abs(parallel_resistance([2, 3, 6]) - 1) < 1e-9
# raises ValueError: parallel_resistance([5, 0])
# raises ValueError: parallel_resistance([-2, 3])
def parallel_resistance(ohms: list[float]) -> float:
    """Combine resistors in parallel.

    Args:
        ohms: The resistance of each resistor.

    Returns:
        The combined resistance.

    Raises:
        ValueError: If a resistance is not positive.

    Example:
        >>> parallel_resistance([4, 4])
        2.0
    """
    if any(value <= 0 for value in ohms):
        raise ValueError("ohms must be positive")
    return 1 / sum(1 / value for value in ohms)


# prompt: Build quadrant(x, y): it numbers the quadrant of a point 1 to 4, counter-clockwise from the top right. Points on an axis have none, so raise a ValueError for them.
# test: quadrant(2, 3) == 1
# test: quadrant(-2, 3) == 2
# test: quadrant(-2, -3) == 3
# test: quadrant(2, -3) == 4
# raises ValueError: quadrant(0, 5)
# raises ValueError: quadrant(5, 0)
def quadrant(x: float, y: float) -> int:
    """Number the quadrant of a point.

    Args:
        x: The horizontal coordinate.
        y: The vertical coordinate.

    Returns:
        The quadrant from 1 to 4.

    Raises:
        ValueError: If the point lies on an axis.

    Example:
        >>> quadrant(-1, 4)
        2
    """
    if x == 0 or y == 0:
        raise ValueError("the point must not lie on an axis")
    if y > 0:
        return 1 if x > 0 else 2
    return 3 if x < 0 else 4


# prompt: Our football club stores results as (scored, conceded) pairs, e.g. [(3, 1), (0, 2)]. Code goal_difference: goals scored minus goals conceded over the season.
# test: goal_difference([(3, 1), (0, 2)]) == 0
# test: goal_difference([]) == 0
# test: goal_difference([(5, 0)]) == 5
# test: goal_difference([(0, 1), (1, 4)]) == -4
def goal_difference(results: list[tuple[int, int]]) -> int:
    """Compute the goal difference of a season.

    Args:
        results: The goals scored and conceded.

    Returns:
        The difference over all games.

    Example:
        >>> goal_difference([(2, 0), (1, 2)])
        1
    """
    scored = sum(result[0] for result in results)
    conceded = sum(result[1] for result in results)
    return scored - conceded


# prompt: With the marks I already have, what must the next test bring so that my overall mean hits a target? required_mark([70, 80], 80) is 90.
# test: required_mark([70, 80], 80) == 90
# test: required_mark([50], 50) == 50
# test: required_mark([], 65) == 65
# test: required_mark([100, 100, 100], 90) == 60
def required_mark(marks: list[int], target: int) -> int:
    """Compute the mark needed to reach a target mean.

    Args:
        marks: The marks so far.
        target: The mean to reach.

    Returns:
        The mark the next test must bring.

    Example:
        >>> required_mark([60, 90], 80)
        90
    """
    return target * (len(marks) + 1) - sum(marks)


# prompt: Buses depart at minute 0 and every `interval` minutes after that. Standing there at minute `now`, how many minutes do I wait? bus_wait(now, interval), zero if one departs right now.
# test: bus_wait(7, 10) == 3
# test: bus_wait(20, 10) == 0
# test: bus_wait(0, 15) == 0
# test: bus_wait(46, 15) == 14
def bus_wait(now: int, interval: int) -> int:
    """Compute the wait for the next bus.

    Args:
        now: The current minute.
        interval: The minutes between two buses.

    Returns:
        The minutes to wait.

    Example:
        >>> bus_wait(25, 20)
        15
    """
    passed = now % interval
    return interval - passed if passed else 0


# prompt: Subtract one (year, month) pair from a later one to get the months passed, for instance (2023, 11) and then (2024, 2) makes 3. Two parameters, earlier pair first.
# test: months_passed((2023, 11), (2024, 2)) == 3
# test: months_passed((2020, 5), (2020, 5)) == 0
# test: months_passed((2000, 1), (2001, 1)) == 12
# test: months_passed((1999, 12), (2000, 1)) == 1
def months_passed(earlier: tuple[int, int], later: tuple[int, int]) -> int:
    """Count the months between two months.

    Args:
        earlier: The first year and month.
        later: The second year and month.

    Returns:
        The number of months passed.

    Example:
        >>> months_passed((2022, 6), (2023, 8))
        14
    """
    return 12 * (later[0] - earlier[0]) + later[1] - earlier[1]


# prompt: slope(p, q) = steepness of the line through two (x, y) points; vertical lines ought to raise a ValueError
# test: slope((0, 0), (2, 4)) == 2
# test: slope((1, 5), (3, 5)) == 0
# test: slope((0, 3), (6, 0)) == -0.5
# raises ValueError: slope((2, 1), (2, 9))
def slope(p: tuple[float, float], q: tuple[float, float]) -> float:
    """Compute the slope of a line.

    Args:
        p: The first point on the line.
        q: The second point on the line.

    Returns:
        The slope of the line.

    Raises:
        ValueError: If the line is vertical.

    Example:
        >>> slope((1, 1), (3, 4))
        1.5
    """
    if p[0] == q[0]:
        raise ValueError("the line must not be vertical")
    return (q[1] - p[1]) / (q[0] - p[0])
