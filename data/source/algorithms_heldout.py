# prompt: Write a function that plays rock, paper, scissors: rps_winner(first, second) returns 1 or 2 for the winner or 0 for a draw.
# test: rps_winner("rock", "scissors") == 1
# test: rps_winner("rock", "paper") == 2
# test: rps_winner("paper", "paper") == 0
def rps_winner(first: str, second: str) -> int:
    """Decide a round of rock, paper, scissors.

    Args:
        first: The first player's choice.
        second: The second player's choice.

    Returns:
        The winner's number, or zero.

    Example:
        >>> rps_winner("rock", "scissors")
        1
    """
    beats = {"rock": "scissors", "paper": "rock", "scissors": "paper"}
    if first == second:
        return 0
    return 1 if beats[first] == second else 2


# prompt: Implement climb_floors(moves: list[int]) -> list[int]: an elevator starts at floor 0 and moves by each number; list the floors at which it stops.
# test: climb_floors([3, -1, 2]) == [3, 2, 4]
# test: climb_floors([]) == []
# test: climb_floors([-2, 1]) == [-2, -1]
def climb_floors(moves: list[int]) -> list[int]:
    """List the stops of an elevator.

    Args:
        moves: The moves up and down.

    Returns:
        The floor after each move.

    Example:
        >>> climb_floors([3, -1, 2])
        [3, 2, 4]
    """
    return [sum(moves[: index + 1]) for index in range(len(moves))]


# prompt: check if a number is a power of two, is_power_of_two(8) is True; numbers below 1 should raise a ValueError
# test: is_power_of_two(8) is True
# test: is_power_of_two(6) is False
# test: is_power_of_two(1) is True
# raises ValueError: is_power_of_two(0)
def is_power_of_two(number: int) -> bool:
    """Check whether a number is a power of two.

    Args:
        number: The number to check.

    Returns:
        True if it is a power of two.

    Raises:
        ValueError: If the number is below 1.

    Example:
        >>> is_power_of_two(8)
        True
    """
    if number < 1:
        raise ValueError("number must be at least 1")
    return number & (number - 1) == 0


# prompt: How many steps does it take to halve a number down to 0, always rounding down? halving_steps(8) should be 4.
# test: halving_steps(8) == 4
# test: halving_steps(1) == 1
# test: halving_steps(0) == 0
def halving_steps(number: int) -> int:
    """Count the halvings down to zero.

    Args:
        number: The number to halve.

    Returns:
        The number of steps.

    Example:
        >>> halving_steps(8)
        4
    """
    steps = 0
    while number > 0:
        number //= 2
        steps += 1
    return steps


# prompt: Write tennis_call(points), 0 to 3 points give "love", "15", "30" and "40". Any other number of points is a ValueError.
# test: tennis_call(0) == "love"
# test: tennis_call(3) == "40"
# raises ValueError: tennis_call(4)
def tennis_call(points: int) -> str:
    """Name the points of a tennis game.

    Args:
        points: The points won so far.

    Returns:
        The name of the score.

    Raises:
        ValueError: If points is not from 0 to 3.

    Example:
        >>> tennis_call(0)
        'love'
    """
    if points not in (0, 1, 2, 3):
        raise ValueError("points must be from 0 to 3")
    return ["love", "15", "30", "40"][points]


# prompt: I need a checksum for short messages: the sum of all character codes modulo 256. Call it simple_checksum.
# test: simple_checksum("a") == 97
# test: simple_checksum("") == 0
# test: simple_checksum("abc") == 38
def simple_checksum(message: str) -> int:
    """Compute a checksum of a message.

    Args:
        message: The message to sum up.

    Returns:
        The sum of codes modulo 256.

    Example:
        >>> simple_checksum("a")
        97
    """
    return sum(ord(char) for char in message) % 256


# prompt: Write is_tie(votes), given a list of names: did at least two different names get the highest number of votes? With an empty list raise a ValueError.
# test: is_tie(["ann", "bob"]) is True
# test: is_tie(["x", "x", "y"]) is False
# raises ValueError: is_tie([])
def is_tie(votes: list[str]) -> bool:
    """Check whether a vote ends in a tie.

    Args:
        votes: The names voted for.

    Returns:
        True if two names lead.

    Raises:
        ValueError: If there are no votes.

    Example:
        >>> is_tie(["ann", "bob"])
        True
    """
    if not votes:
        raise ValueError("there are no votes")
    most = max(votes.count(name) for name in votes)
    return sum(votes.count(name) == most for name in set(votes)) > 1
